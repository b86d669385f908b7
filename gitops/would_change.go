package gitops

import (
	"bytes"
	"context"
	"errors"
	"path"
)

// WouldChange says whether an edit would change a directory at a revision. Errors: those
// of the edit and of View.
func (r *Repository) WouldChange(ctx context.Context, revision, directory string, edit Edit) (bool, error) {
	changes := false
	err := r.View(ctx, revision, directory, edit, func(tree *Tree) error {
		var err error
		changes, err = tree.differs()
		return err
	})
	return changes, err
}

// differs says whether the tree differs from its commit.
func (t *Tree) differs() (bool, error) {
	began := &Tree{objects: t.objects, root: t.root, directory: t.directory, changed: map[string][]byte{}}
	for full, content := range t.changed {
		was, err := began.readFull(full)
		if errors.Is(err, ErrPathMissing) {
			if content != nil {
				return true, nil
			}
			continue
		}
		if err != nil {
			return false, err
		}
		if content == nil || !bytes.Equal(was, content) {
			return true, nil
		}
	}
	return false, nil
}

// RemovePath removes a directory of manifests, and its entry in the directory's
// kustomization. A second run changes nothing.
func RemovePath(directory string) Edit {
	return func(tree *Tree) error {
		if err := checkPath(directory); err != nil {
			return err
		}
		directory := path.Clean(directory)
		if err := editKustomization(tree, func(file []byte) ([]byte, error) { return RemoveResource(file, directory) }); err != nil {
			return err
		}
		if err := tree.Remove(directory); err != nil && !errors.Is(err, ErrPathMissing) {
			return err
		}
		return nil
	}
}
