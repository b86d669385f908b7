package adopt

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/gitops"
)

// place of an object in a checkout: the directory whose kustomization lists it, and its file. All paths are relative to the
// database's directory.
type place struct {
	directory, file string
	// entry of the database's own kustomization, through which it gets there.
	entry string
}

var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// kustomizationIn a directory: its file, and what it lists; an empty name if there is none.
func kustomizationIn(tree *gitops.Tree, directory string) (name string, resources []string, err error) {
	for _, candidate := range kustomizationNames {
		content, err := tree.Read(path.Join(directory, candidate))
		if err != nil {
			continue // not this one
		}
		var file struct{ Resources []string }
		if err := yaml.Unmarshal(content, &file); err != nil {
			return "", nil, fmt.Errorf("%s: %w", path.Join(directory, candidate), err)
		}
		return path.Join(directory, candidate), file.Resources, nil
	}
	return "", nil, nil
}

// locate an object below a directory by the kustomizations that lead to it; nil if none does.
func locate(tree *gitops.Tree, directory, kind, name string) (*place, error) {
	_, resources, err := kustomizationIn(tree, directory)
	if err != nil {
		return nil, err
	}
	for _, resource := range resources {
		full := path.Join(directory, resource)
		if strings.HasPrefix(full, "..") || strings.Contains(resource, "://") {
			continue
		}
		if content, err := tree.Read(full); err == nil {
			names, err := gitops.NamesOf(content, kind)
			if err == nil && slices.Contains(names, name) {
				return &place{directory: directory, file: full, entry: resource}, nil
			}
			continue
		}
		found, err := locate(tree, full, kind, name)
		if err != nil {
			return nil, err
		}
		if found != nil {
			found.entry = resource
			return found, nil
		}
	}
	return nil, nil
}

// layout of the checkout, as far as it concerns the database.
type layout struct {
	// root is the kustomization of the database's directory; empty if there is none.
	root string
	// serverPath is the directory to remove with the adopted server; empty if that can't be told.
	serverPath string
	// pooler is where the Deployment of PgBouncer is, and ini PgBouncer's file there.
	pooler *place
	ini    string
}

// read the layout of a checkout.
func (f *Found) read(tree *gitops.Tree) (layout, error) {
	var l layout
	var err error
	if l.root, _, err = kustomizationIn(tree, ""); err != nil {
		return l, err
	}
	if l.pooler, err = locate(tree, "", "Deployment", f.Deployment); err != nil {
		return l, err
	}
	if l.pooler == nil {
		return l, fmt.Errorf("%s has no kustomization that leads to Deployment %s: move the pooler's manifests into that directory, or say by --path which one has them", f.Path, f.Deployment)
	}
	server, err := locate(tree, "", "StatefulSet", f.StatefulSet)
	switch {
	case err != nil:
		return l, err
	case server == nil:
		f.hint("the manifests of StatefulSet %s aren't in %s: the server stays after the upgrade, and its removal is yours", f.StatefulSet, f.Path)
	case server.directory == "" || server.entry == l.pooler.entry:
		f.hint("the manifests of StatefulSet %s have no directory of their own (%s): the server stays after the upgrade, and its removal is yours; move them to one, and name it in spec.adopt.path", f.StatefulSet, server.file)
	default:
		l.serverPath = path.Clean(server.entry)
		f.explain("%s has the manifests of the server, which are removed with it", path.Join(f.Path, l.serverPath))
	}
	return l, f.findINI(tree, &l)
}

// findINI of PgBouncer beside the pooler's manifests.
func (f *Found) findINI(tree *gitops.Tree, l *layout) error {
	files, err := tree.Files("")
	if err != nil {
		return err
	}
	for _, file := range files {
		if path.Dir(file) != path.Clean(l.pooler.directory) || path.Ext(file) != ".ini" {
			continue
		}
		if content, err := tree.Read(file); err == nil && strings.Contains(string(content), "[pgbouncer]") {
			l.ini = file
			f.explain("%s is PgBouncer's configuration", path.Join(f.Path, file))
			return nil
		}
	}
	f.hint("pgbouncer.ini wasn't found beside %s. It needs, in place of [databases]: %%include /run/gitover/target.ini; and in [pgbouncer]: %s",
		path.Join(f.Path, l.pooler.file), strings.Join(wantedSettings(), ", "))
	return nil
}
