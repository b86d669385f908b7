package gitops

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// ReadFile gives a file's bytes at a revision. Symlinks aren't followed.
// Errors: ErrPathMissing, ErrBadPath, ErrBadFile (larger than 1 MiB), ErrUnknownRevision.
func (r *Repository) ReadFile(ctx context.Context, revision, path string) ([]byte, error) {
	var content []byte
	err := r.View(ctx, revision, "", nil, func(tree *Tree) error {
		path, err := CleanDirectory(path)
		if err != nil {
			return err
		}
		content, err = tree.Read(path)
		return err
	})
	return content, err
}

// ReadField gives the value of a field, such as spec.version or
// postgres.image.tag, from the first document of a file that has it.
// Errors: those of ReadFile and FieldValue; the text names file and field.
func (r *Repository) ReadField(ctx context.Context, revision, path, field string) (string, error) {
	content, err := r.ReadFile(ctx, revision, path)
	if err != nil {
		return "", err
	}
	value, err := FieldValue(content, field)
	return value, inFile(path, err)
}

// inFile adds the file's name to an error.
func inFile(path string, err error) error {
	var known *Error
	if !errors.As(err, &known) {
		return err
	}
	return &Error{kind: known.kind, cause: known.cause, text: fmt.Sprintf("%s: %s", Printable(path, 200), known.text)}
}

// View shows a directory at a revision, with an optional edit that is never committed.
func (r *Repository) View(ctx context.Context, revision, directory string, edit Edit, show func(*Tree) error) error {
	directory, err := CleanDirectory(directory)
	if err != nil {
		return err
	}
	return r.ready(ctx, func(c *clone) error {
		commit, err := r.commitAt(ctx, c, revision)
		if err != nil {
			return err
		}
		tree, err := c.treeAt(commit, directory)
		if err != nil {
			return err
		}
		if edit != nil {
			if err := edit(tree); err != nil {
				return err
			}
		}
		return show(tree)
	})
}

// treeAt gives a directory of a commit, which must exist.
func (c *clone) treeAt(commit *object.Commit, directory string) (*Tree, error) {
	entry, found, err := lookup(c.objects, commit.TreeHash, directory)
	if err != nil {
		return nil, err
	}
	if !found || entry.Mode != filemode.Dir {
		return nil, failure(ErrPathMissing, "directory %q isn't in the repository at %s: correct the path, or create it", directory, commit.Hash)
	}
	return treeOf(c.objects, commit.TreeHash, directory), nil
}

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
	began := treeOf(t.objects, t.root, t.directory)
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
