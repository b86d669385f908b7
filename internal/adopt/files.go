package adopt

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"path"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/gitops"
)

//go:embed templates
var texts embed.FS

var templates = template.Must(template.ParseFS(texts, "templates/*.yaml"))

// Change is what init does to a checkout; paths are from its root.
type Change struct {
	// New files, and Edited ones with their new content.
	New, Edited map[string][]byte
	// Diff of all of it in Git's format.
	Diff string
}

// values of the templates.
type values struct {
	*Found
	Instance, ServerPath, SelectorYAML string
}

// Change the files of a checkout, in memory. An error is one line; it names the files that are there already.
func (f *Found) Change(ctx context.Context, files map[string][]byte) (*Change, error) {
	preview, err := gitops.NewPreview(files, f.Path)
	if err != nil {
		return nil, err
	}
	change := &Change{New: map[string][]byte{}, Edited: map[string][]byte{}}
	change.Diff, err = preview.Apply(ctx, func(tree *gitops.Tree) error {
		l, err := f.read(tree)
		if err != nil {
			return err
		}
		return f.write(tree, l, change)
	})
	return change, err
}

func (f *Found) write(tree *gitops.Tree, l layout, change *Change) error {
	selector, err := yaml.Marshal(f.Selector)
	if err != nil {
		return err
	}
	v := values{f, f.Name + "-legacy", l.serverPath, indented(string(selector), 6)}
	created, err := poolerParts(f.AgentImage)
	if err != nil {
		return err
	}
	for _, name := range []string{"upgrade.yaml", "proxy.yaml"} {
		var b bytes.Buffer
		if err := templates.ExecuteTemplate(&b, name, v); err != nil {
			return err
		}
		created[name] = b.Bytes()
	}
	if l.root == "" {
		return fmt.Errorf("%s has no kustomization.yaml: commit one that lists the manifests there", f.Path)
	}
	edits := map[string]func([]byte) ([]byte, error){}
	edits[l.root] = func(file []byte) ([]byte, error) {
		file, err := addResources(file, "upgrade.yaml", "proxy.yaml")
		if err != nil {
			return nil, err
		}
		return addComponent(file)
	}
	kustomization, _, err := kustomizationIn(tree, l.pooler.directory)
	if err != nil {
		return err
	}
	former := edits[kustomization]
	edits[kustomization] = func(file []byte) ([]byte, error) {
		if former != nil {
			if file, err = former(file); err != nil {
				return nil, err
			}
		}
		return labelPooler(file)
	}
	if l.ini != "" {
		edits[l.ini] = func(file []byte) ([]byte, error) { return []byte(f.joined(string(file))), nil }
	}
	if err := f.create(tree, created, change); err != nil {
		return err
	}
	if _, err := tree.Read("base/kustomization.yaml"); err != nil {
		f.hint("make %s, which says what later instances look like: one server of any version, whose image is called postgres and whose Service is called %s; examples/fleet/apps/orders/base has one", path.Join(f.Path, "base"), f.Name)
	}
	return f.edit(tree, edits, change)
}

// create files; if one is there, nothing is.
func (f *Found) create(tree *gitops.Tree, created map[string][]byte, change *Change) error {
	var there []string
	for file, content := range created {
		if _, err := tree.Read(file); !errors.Is(err, gitops.ErrPathMissing) {
			there = append(there, path.Join(f.Path, file))
			continue
		}
		if err := tree.Write(file, content); err != nil {
			return err
		}
		change.New[path.Join(f.Path, file)] = content
	}
	if len(there) > 0 {
		return fmt.Errorf("%s: there already, and init never overwrites; remove what you don't need, or change it by hand", sorted(there))
	}
	return nil
}

func (f *Found) edit(tree *gitops.Tree, edits map[string]func([]byte) ([]byte, error), change *Change) error {
	for file, edit := range edits {
		before, err := tree.Read(file)
		if err != nil {
			return err
		}
		after, err := edit(before)
		if err != nil {
			return fmt.Errorf("%s: %w", path.Join(f.Path, file), err)
		}
		if bytes.Equal(before, after) {
			continue
		}
		if err := tree.Write(file, after); err != nil {
			return err
		}
		change.Edited[path.Join(f.Path, file)] = after
	}
	return nil
}

func addResources(file []byte, entries ...string) (_ []byte, err error) {
	for _, entry := range entries {
		if file, err = gitops.AddResource(file, entry); err != nil {
			return nil, err
		}
	}
	return file, nil
}

func indented(text string, by int) string {
	indent := strings.Repeat(" ", by)
	return indent + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+indent)
}
