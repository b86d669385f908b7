package gitops

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
)

// Owner is the PgUpgrade that may write a directory. Two upgrades of one directory would
// remove each other's database from Git, so there is only one owner, and its files name it.
type Owner struct {
	// UID tells two clusters apart, in which everything has the same name.
	UID string
	// Name is namespace/name, for people.
	Name string
}

const ownerMark = "# gitover.dev/owner:"

// Line names the owner in an instance's file: a comment, which rendering ignores.
func (o Owner) Line() string { return strings.TrimSpace(ownerMark + " " + o.UID + " " + o.Name) }

// ownersIn a file that Gitover wrote, or that a human corrected.
func ownersIn(file []byte) (owners []Owner) {
	for line := range bytes.Lines(file) {
		rest, ok := strings.CutPrefix(string(line), ownerMark)
		if words := strings.Fields(rest); ok && len(words) > 0 {
			owners = append(owners, Owner{UID: words[0], Name: strings.Join(words[1:], " ")})
		}
	}
	return owners
}

// Ownership says what Git knows of who owns a directory.
type Ownership struct {
	// Stated: an instance's file names the one that asked.
	Stated bool
}

// CheckOwner refuses, with ErrOwned, a directory that another upgrade owns: an instance's file names it. A file that names none
// is owned by whoever commits first: the history isn't asked, so that people can pass a directory on.
func (r *Repository) CheckOwner(ctx context.Context, revision, directory string, owner Owner) (Ownership, error) {
	var ownership Ownership
	err := r.ready(ctx, func(c *clone) error {
		directory, err := CleanDirectory(directory)
		if err != nil {
			return err
		}
		commit, err := r.commitAt(ctx, c, revision)
		if err != nil {
			return err
		}
		tree, err := c.treeAt(commit, directory)
		if err != nil {
			return err
		}
		ownership.Stated, err = statedOwner(tree, owner)
		return err
	})
	return ownership, err
}

// statedOwner says whether an instance's file names the owner; ErrOwned if one names another.
func statedOwner(tree *Tree, owner Owner) (stated bool, err error) {
	files, err := tree.instanceFiles()
	if err != nil {
		return false, err
	}
	for _, file := range files {
		content, err := tree.Read(file)
		if errors.Is(err, ErrBadFile) || errors.Is(err, ErrBadPath) {
			continue // not written by Gitover
		}
		if err != nil {
			return false, err
		}
		for _, other := range ownersIn(content) {
			if other.UID != owner.UID {
				return false, failure(ErrOwned, "%s: %v: it says PgUpgrade %s with UID %s, and this is %s. %s, change its line to\n%s",
					path.Join(tree.directory, file), ErrOwned, orNameless(other.Name), Printable(other.UID, 80), orNameless(owner.Name), ownerAdvice, owner.Line())
			}
			stated = true
		}
	}
	return stated, nil
}

// instanceFiles are the files that Gitover writes, and files of the same name.
func (t *Tree) instanceFiles() (matched []string, err error) {
	files, err := t.Files(InstancesDirectory)
	for _, file := range files {
		if ok, _ := path.Match(instanceDirectory("*")+"/kustomization.yaml", file); ok {
			matched = append(matched, file)
		}
	}
	return matched, err
}

// ownerAdvice is for people who rebuilt a cluster from Git: the new PgUpgrade has a new UID.
const ownerAdvice = "If that one still applies this directory (another cluster, another Kustomization), give each a directory of its own that includes the base; " +
	"if it is gone (deleted, or its cluster was rebuilt)"

func orNameless(name string) string {
	if name == "" {
		return "without a name"
	}
	return Printable(name, 140)
}
