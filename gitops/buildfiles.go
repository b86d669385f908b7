package gitops

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// treeFiles shows kustomize the whole repository, with the tree's changes,
// read-only and below "/". Methods that it doesn't define act on an empty directory in memory.
type treeFiles struct {
	filesys.FileSystem
	tree *Tree
	// left is how many bytes may still be read.
	left *int
}

func inRepository(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// IsDir is true for a directory.
func (f treeFiles) IsDir(name string) bool { return f.tree.isDirectory(inRepository(name)) }

// Exists is true for a file or directory.
func (f treeFiles) Exists(name string) bool {
	if f.IsDir(name) {
		return true
	}
	_, err := f.tree.readFull(inRepository(name))
	return err == nil
}

// ReadFile reads a file. It refuses symlinks, and files that are too large alone or together
// with those read before.
func (f treeFiles) ReadFile(name string) ([]byte, error) {
	content, err := f.tree.readFull(inRepository(name))
	if errors.Is(err, ErrPathMissing) {
		return nil, &os.PathError{Op: "read", Path: name, Err: os.ErrNotExist}
	}
	if err != nil {
		return nil, err
	}
	if *f.left -= len(content); *f.left < 0 {
		return nil, failure(ErrBuild, "the files have more than %d MiB together, more than manifests may have", buildLimit>>20)
	}
	return content, inFile(inRepository(name), checkAliases(content))
}

// CleanedAbs splits a path into directory and file name.
func (f treeFiles) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	cleaned := path.Clean("/" + name)
	if f.IsDir(cleaned) {
		return filesys.ConfirmedDir(cleaned), "", nil
	}
	if _, err := f.tree.readFull(inRepository(cleaned)); errors.Is(err, ErrPathMissing) {
		return "", "", &os.PathError{Op: "read", Path: name, Err: os.ErrNotExist}
	} else if err != nil {
		return "", "", err
	}
	return filesys.ConfirmedDir(path.Dir(cleaned)), path.Base(cleaned), nil
}

// ReadDir is refused: a build names its files.
func (f treeFiles) ReadDir(name string) ([]string, error) { return nil, notInBuild(name) }

// Glob finds nothing.
func (f treeFiles) Glob(string) ([]string, error) { return nil, nil }

// Walk is refused.
func (f treeFiles) Walk(name string, _ filepath.WalkFunc) error { return notInBuild(name) }

// Open is refused; kustomize reads whole files.
func (f treeFiles) Open(name string) (filesys.File, error) { return nil, notInBuild(name) }

func notInBuild(name string) error {
	return &os.PathError{Op: "list", Path: name, Err: os.ErrPermission}
}

func (t *Tree) isDirectory(full string) bool {
	if full == "" {
		return true
	}
	if checkPath(full) != nil {
		return false
	}
	entry, found, err := lookup(t.objects, t.root, full)
	if err == nil && found && entry.Mode != filemode.Dir {
		return false
	}
	if err == nil && found && len(t.changed) == 0 {
		return true
	}
	files, err := t.filesFull(full)
	return err == nil && len(files) > 0
}

var (
	remoteURL  = regexp.MustCompile(`(?i)(^|=)\s*(https?|ssh|git|file):`)
	remoteHost = regexp.MustCompile(`(?i)^(github\.com|gh:|git::|git@|[^/]*@)|[:?]|/_git/`)
)

// notLocal is true for whatever kustomize might look for outside the repository.
func notLocal(entry string) bool {
	return remoteURL.MatchString(entry) || remoteHost.MatchString(entry)
}

// fields of a kustomization that hold text and not paths
var textFields = []string{"patch", "literals", "commonAnnotations", "commonLabels", "labels", "buildMetadata", "metadata", "images",
	"replicas", "vars", "target", "options", "namePrefix", "nameSuffix", "namespace", "apiVersion", "kind", "select", "source", "targets"}

// checkLocal refuses kustomizations that reach outside the repository, in a directory
// and in all that it includes. configuration says that its resources configure
// kustomize's own plugins, which can load files too.
func (t *Tree) checkLocal(full string, configuration bool, visited map[string]bool) error {
	visit := fmt.Sprint(full, "\x00", configuration)
	if visited[visit] {
		return nil
	}
	visited[visit] = true
	for _, name := range kustomizationNames {
		content, err := t.readFull(path.Join(full, name))
		if errors.Is(err, ErrPathMissing) {
			continue
		}
		if err != nil {
			return err
		}
		documents, err := parse(content)
		if err == nil {
			err = checkAliases(content)
		}
		if err != nil {
			return inFile(path.Join(full, name), err)
		}
		for _, document := range documents {
			if err := t.checkEntries(document.root, full, configuration, visited); err != nil {
				return inFile(path.Join(full, name), err)
			}
		}
	}
	return nil
}

func (t *Tree) checkEntries(root *yaml.Node, full string, configuration bool, visited map[string]bool) error {
	if root.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		field := root.Content[i].Value
		if slices.Contains(textFields, field) {
			continue
		}
		plugins := slices.Contains([]string{"generators", "transformers", "validators"}, field)
		included := plugins || slices.Contains([]string{"resources", "bases", "components", "<<"}, field)
		for _, entry := range scalarsOf(root.Content[i+1], map[*yaml.Node]bool{}) {
			inline := strings.Contains(entry.Value, "\n")
			if reachesOut(entry.Value, inline, included, plugins) {
				return failure(ErrBuild, "line %d: %s refers to something outside the repository (%s); Gitover builds only what is in it: vendor it", entry.Line, field, Printable(entry.Value, 100))
			}
			if !included || inline {
				continue
			}
			if err := t.checkIncluded(path.Join("/", full, entry.Value)[1:], configuration || plugins, visited); err != nil {
				return err
			}
		}
	}
	return nil
}

func reachesOut(entry string, inline, included, plugins bool) bool {
	if inline {
		return plugins && configReachesOut([]byte(entry))
	}
	return remoteURL.MatchString(entry) || included && notLocal(entry)
}

// configReachesOut is true for a plugin's configuration with a URL in it; these two load nothing.
func configReachesOut(config []byte) bool {
	if !strings.Contains(string(config), "://") {
		return false
	}
	documents, err := parse(config)
	return err != nil || slices.ContainsFunc(documents, func(d document) bool {
		return !slices.Contains([]string{"AnnotationsTransformer", "LabelTransformer"}, d.scalar("kind"))
	})
}

func (t *Tree) checkIncluded(target string, configuration bool, visited map[string]bool) error {
	if t.isDirectory(target) {
		return t.checkLocal(target, configuration, visited)
	}
	if !configuration {
		return nil
	}
	content, err := t.readFull(target)
	if err == nil && configReachesOut(content) {
		return failure(ErrBuild, "%s refers to something outside the repository; Gitover builds only what is in it", target)
	}
	return nil
}

// scalarsOf gives the text values below a node, each once, without those of text fields.
func scalarsOf(node *yaml.Node, seen map[*yaml.Node]bool) []*yaml.Node {
	if node = resolve(node); seen[node] {
		return nil
	}
	seen[node] = true
	if node.Kind == yaml.ScalarNode {
		return []*yaml.Node{node}
	}
	var scalars []*yaml.Node
	for i, child := range node.Content {
		if node.Kind == yaml.MappingNode && (i%2 == 0 || slices.Contains(textFields, node.Content[i-1].Value)) {
			continue
		}
		scalars = append(scalars, scalarsOf(child, seen)...)
	}
	return scalars
}
