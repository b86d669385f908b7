package gitops

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	kustomize "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

// kustomize keeps its OpenAPI schema in a global variable; see
// fluxcd/pkg/kustomize, which holds a lock for the same reason.
var kustomizing sync.Mutex

// BuildRequest says what to build: a directory of a revision, with an edit on
// top that isn't committed.
type BuildRequest struct {
	// Revision as for the other methods; "" is the newest tip fetched.
	Revision string
	// Directory is the upgrade's, which Edit is bound to.
	Directory string
	Edit      Edit
	// Path to build, relative to Directory: "base", "instances/17", "" for all.
	Path string
}

// Build runs kustomize as Flux would, within the repository: no remote
// resources, plugins, helm or symlinks. What Flux adds by itself (namespace, patches,
// substitutions of its Kustomization) isn't in the result. Errors: ErrBuild with
// kustomize's own words, ErrPathMissing, those of the edit; they last until the manifests change.
func (r *Repository) Build(ctx context.Context, request BuildRequest) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	err := r.View(ctx, request.Revision, request.Directory, request.Edit, func(tree *Tree) error {
		var err error
		objects, err = tree.Build(request.Path)
		return err
	})
	return objects, err
}

// Build is Repository.Build for a path of the tree as it is now.
func (t *Tree) Build(name string) ([]*unstructured.Unstructured, error) {
	return t.build(name, buildLimit)
}

// build of files that have at most so many bytes together.
func (t *Tree) build(name string, limit int) (objects []*unstructured.Unstructured, err error) {
	full := t.directory
	if name != "" && name != "." {
		if full, err = t.full(name); err != nil {
			return nil, err
		}
	}
	label := full
	if label == "" {
		label = "the root directory"
	}
	defer func() {
		if problem := recover(); problem != nil {
			objects, err = nil, failure(ErrBuild, "%s does not build: kustomize gave up: %s", label, Printable(fmt.Sprint(problem), 300))
		}
	}()
	if err := t.checkLocal(full, false, map[string]bool{}); err != nil {
		return nil, err
	}
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = kustomize.LoadRestrictionsNone // the file system ends at the repository's root
	kustomizing.Lock()
	defer kustomizing.Unlock()
	left := limit
	files := treeFiles{FileSystem: filesys.MakeEmptyDirInMemory(), tree: t, left: &left}
	resources, err := krusty.MakeKustomizer(options).Run(files, path.Join("/", full))
	if err != nil {
		return nil, failure(ErrBuild, "%s does not build: %s", label, Printable(err.Error(), 600))
	}
	for _, resource := range resources.Resources() {
		content, err := resource.Map()
		if err != nil {
			return nil, failure(ErrBuild, "%s does not build: %s", label, Printable(err.Error(), 600))
		}
		objects = append(objects, &unstructured.Unstructured{Object: content})
	}
	return objects, nil
}

// What Flux builds may be a whole cluster. Only if its files have at most this many bytes is it built to see what becomes of an edit.
const checkLimit = 4 << 20

// TargetRequest asks what becomes of a PgProxy's target on its way to the cluster.
type TargetRequest struct {
	// Revision and Directory as of BuildRequest.
	Revision, Directory string
	// Proxy is the PgProxy's name in the cluster.
	Namespace, Proxy, Target string
	// Path that Flux builds, from the repository's root, and what its Kustomization adds to the kustomization there: namespace,
	// namePrefix, nameSuffix, patches, images, components. Lists are added to those that are there.
	Path  string
	Added map[string]any
}

// CheckTarget says whether an edit of a PgProxy's target would reach the object that Flux applies: a patch, a replacement or an
// overlay may set it elsewhere, and the cutover would never arrive. ErrBuild if it wouldn't; the errors of SetTarget. What Gitover
// can't build is no error: it may be built in the cluster all the same.
func (r *Repository) CheckTarget(ctx context.Context, request TargetRequest) error {
	return r.View(ctx, request.Revision, request.Directory, SetTarget(request.Proxy, request.Target), func(tree *Tree) error {
		file, err := FindManifest(tree, "PgProxy", request.Proxy)
		if err != nil {
			return err
		}
		whole := &Tree{objects: tree.objects, root: tree.root, changed: maps.Clone(tree.changed)}
		for _, build := range []struct {
			path  string
			added map[string]any
		}{{tree.directory, nil}, {inRepository(request.Path), request.Added}} {
			if err := whole.addToKustomization(build.path, build.added); err != nil {
				continue
			}
			objects, err := whole.build(build.path, checkLimit)
			if err != nil {
				continue
			}
			if is := targetsOf(objects, request.Namespace, request.Proxy); len(is) > 0 && !slices.Contains(is, request.Target) {
				return failure(ErrBuild, "with spec.target %s in %s, %s still builds PgProxy %s with %q: a patch, a replacement or another overlay sets it. Leave spec.target to that file alone",
					request.Target, path.Join(tree.directory, file), cmp.Or(build.path, "the root directory"), request.Proxy, Printable(is[0], 100))
			}
		}
		return nil
	})
}

func targetsOf(objects []*unstructured.Unstructured, namespace, proxy string) (targets []string) {
	for _, o := range objects {
		if o.GetKind() == "PgProxy" && o.GetName() == proxy && (o.GetNamespace() == "" || o.GetNamespace() == namespace) {
			target, _, _ := unstructured.NestedString(o.Object, "spec", "target")
			targets = append(targets, target)
		}
	}
	return targets
}

// addToKustomization of a directory what Flux' Kustomization adds.
func (t *Tree) addToKustomization(directory string, added map[string]any) error {
	for _, name := range kustomizationNames {
		file := path.Join(directory, name)
		content, err := t.readFull(file)
		if err != nil || len(added) == 0 {
			continue
		}
		all := map[string]any{}
		if err := yaml.Unmarshal(content, &all); err != nil {
			return err
		}
		for key, value := range added {
			if list, ok := value.([]any); ok {
				there, _ := all[key].([]any)
				value = slices.Concat(there, list)
			}
			all[key] = value
		}
		if t.changed[file], err = yaml.Marshal(all); err != nil {
			return err
		}
	}
	return nil
}

// A file's aliases may stand for this much text, in bytes.
const aliasLimit = 4 << 20

// checkAliases refuses YAML whose aliases stand for far more than the file holds ("a billion
// laughs"), or for themselves: kustomize expands all of it. YAML inside of YAML, such as a
// patch, is checked, too. Content that isn't YAML passes; its reader reports it.
func checkAliases(content []byte) error {
	if tooMuch(content, 0) {
		return failure(ErrBadFile, "its YAML aliases stand for more than %d MiB, or for themselves: write the values out", aliasLimit>>20)
	}
	return nil
}

// tooMuch checks each document separately, as kustomize reads them.
func tooMuch(content []byte, depth int) bool {
	if depth > 4 || !bytes.ContainsRune(content, '&') || !bytes.ContainsRune(content, '*') {
		return false
	}
	for document := range bytes.SplitSeq(content, []byte("\n---")) {
		var root yaml.Node
		if yaml.Unmarshal(document, &root) != nil {
			continue
		}
		scale := scale{weights: map[*yaml.Node]int{}, depth: depth}
		if scale.weigh(&root) > aliasLimit {
			return true
		}
	}
	return false
}

// scale weighs nodes as if each alias were written out, each node once.
type scale struct {
	weights map[*yaml.Node]int
	depth   int
}

// weigh gives the bytes that a node stands for, roughly, or anything above the limit.
func (s scale) weigh(node *yaml.Node) int {
	if weight, known := s.weights[node]; known {
		return weight
	}
	// A node that is reached again while it is being weighed contains itself.
	s.weights[node] = aliasLimit + 1
	weight := 8 + len(node.Value)
	if node.Kind == yaml.ScalarNode && tooMuch([]byte(node.Value), s.depth+1) {
		return aliasLimit + 1
	}
	if node.Kind == yaml.AliasNode && node.Alias != nil {
		weight += s.weigh(node.Alias)
	}
	for _, child := range node.Content {
		if weight += s.weigh(child); weight > aliasLimit {
			return aliasLimit + 1
		}
	}
	s.weights[node] = weight
	return weight
}
