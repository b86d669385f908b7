package gitops

import (
	"context"
	"fmt"
	"path"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	kustomize "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
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
func (t *Tree) Build(name string) (objects []*unstructured.Unstructured, err error) {
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
	left := buildLimit
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
