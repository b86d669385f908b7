package gitops

import (
	"context"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/object"
)

// diffText is the difference between two versions of a file in Git's format.
func diffText(ctx context.Context, name string, before, after []byte) (string, error) {
	objects := newBatch()
	sides := [2]*object.Tree{}
	for i, content := range [][]byte{before, after} {
		tree := &Tree{objects: objects, changed: map[string][]byte{name: content}}
		hash, err := tree.write(objects)
		if err != nil {
			return "", err
		}
		if sides[i], err = object.GetTree(objects, hash); err != nil {
			return "", err
		}
	}
	patch, err := sides[0].PatchContext(ctx, sides[1])
	if err != nil {
		return "", err
	}
	return cut(patch.String()), nil
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
