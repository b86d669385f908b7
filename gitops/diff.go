package gitops

import (
	"context"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Preview shows what commits would change in files that needn't be committed, such as a person's checkout. It is all in memory.
type Preview struct {
	objects   *batch
	root      plumbing.Hash
	directory string
}

// NewPreview of a repository's files, by their paths from its root; edits are bound to the directory. Errors: ErrBadPath.
func NewPreview(files map[string][]byte, directory string) (*Preview, error) {
	directory, err := CleanDirectory(directory)
	if err != nil {
		return nil, err
	}
	for name := range files {
		if err := checkPath(name); err != nil {
			return nil, err
		}
	}
	objects := newBatch()
	root, err := (&Tree{objects: objects, changed: files}).write(objects)
	if err != nil {
		return nil, err
	}
	return &Preview{objects: objects, root: root, directory: directory}, nil
}

// Apply an edit on top of those before, and give what it changes, as the commit's diff has it.
func (p *Preview) Apply(ctx context.Context, edit Edit) (string, error) {
	tree := p.tree()
	if err := edit(tree); err != nil {
		return "", err
	}
	after, err := tree.write(p.objects)
	if err != nil {
		return "", err
	}
	sides := [2]*object.Tree{}
	for i, root := range []plumbing.Hash{p.root, after} {
		if sides[i], err = object.GetTree(p.objects, root); err != nil {
			return "", err
		}
	}
	patch, err := sides[0].PatchContext(ctx, sides[1])
	if err != nil {
		return "", err
	}
	p.root = after
	return cut(patch.String()), nil
}

// Build is Tree.Build of the files as they are now.
func (p *Preview) Build(path string) ([]*unstructured.Unstructured, error) {
	return p.tree().Build(path)
}

// View shows the files as they are now.
func (p *Preview) View(show func(*Tree) error) error { return show(p.tree()) }

func (p *Preview) tree() *Tree {
	return treeOf(p.objects, p.root, p.directory)
}

// diffText is the difference between two versions of a file in Git's format.
func diffText(ctx context.Context, name string, before, after []byte) (string, error) {
	preview, err := NewPreview(map[string][]byte{name: before}, "")
	if err != nil {
		return "", err
	}
	return preview.Apply(ctx, func(tree *Tree) error { return tree.Write(name, after) })
}

// cut keeps a diff small enough for a log or a status.
func cut(text string) string {
	if len(text) > diffLimit {
		text = strings.ToValidUTF8(text[:diffLimit], "") + "\n… (cut)\n"
	}
	return text
}

// diffOf is what a commit changed against its first parent.
func diffOf(ctx context.Context, commit *object.Commit) (string, error) {
	if commit.NumParents() == 0 {
		return "", nil
	}
	parent, err := commit.Parent(0)
	if err != nil {
		return "", damaged(err)
	}
	patch, err := parent.PatchContext(ctx, commit)
	if err != nil {
		return "", damaged(err)
	}
	return cut(patch.String()), nil
}
