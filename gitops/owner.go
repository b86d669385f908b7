package gitops

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/object"
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

// CheckOwner refuses, with ErrOwned, a directory that another upgrade owns: an instance's file
// names it, or no file names an owner and the history has a run of another upgrade that hasn't
// ended. Files take precedence over history, so that people can pass a directory on.
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
		ownership, err = c.checkOwner(ctx, tree, owner)
		return err
	})
	return ownership, err
}

func (c *clone) checkOwner(ctx context.Context, tree *Tree, owner Owner) (Ownership, error) {
	stated, err := statedOwner(tree, owner)
	if err != nil || stated {
		return Ownership{Stated: stated}, err
	}
	return Ownership{}, c.openRunOfAnother(ctx, tree, owner)
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

// openRunOfAnother looks for an instance that another upgrade added in a run that it didn't
// end: older versions of Gitover didn't write the owner into the file.
func (c *clone) openRunOfAnother(ctx context.Context, tree *Tree, owner Owner) error {
	history, err := c.historyAt(ctx)
	if err != nil {
		return damaged(err)
	}
	ended := map[[2]string]bool{}
	for _, commit := range history.trailed { // newest first
		run := [2]string{commit.trailers["Gitover-Upgrade"], commit.trailers["Gitover-Run"]}
		switch commit.trailers["Gitover-Step"] {
		case "CommitFinalize", "CommitRemoveGreen":
			ended[run] = true
		case "CommitGreen":
			if run[0] == "" || run[0] == owner.UID || ended[run] {
				continue
			}
			added, err := c.instancesAdded(commit, tree.directory)
			if err != nil {
				return err
			}
			for _, file := range added {
				if _, err := tree.Read(file); errors.Is(err, ErrPathMissing) {
					continue
				}
				return failure(ErrOwned, "directory %q: %v: commit %.12s of PgUpgrade UID %s added %s in a run that hasn't ended, and this is %s. %s, put this line into that file:\n%s",
					tree.directory, ErrOwned, commit.hash, Printable(run[0], 80), file, orNameless(owner.Name), ownerAdvice, owner.Line())
			}
		}
	}
	return nil
}

// instancesAdded are the instances' files in a directory that a commit added, relative to it.
func (c *clone) instancesAdded(trailed trailedCommit, directory string) ([]string, error) {
	commit, err := object.GetCommit(c.objects, trailed.hash)
	if err != nil {
		return nil, damaged(err)
	}
	after := treeOf(c.objects, commit.TreeHash, directory)
	files, err := after.instanceFiles()
	if err != nil || len(files) == 0 || commit.NumParents() == 0 {
		return files, ignoreBadPath(err)
	}
	parent, err := object.GetCommit(c.objects, commit.ParentHashes[0])
	if err != nil {
		return nil, damaged(err)
	}
	var added []string
	for _, file := range files {
		_, was, err := lookup(c.objects, parent.TreeHash, path.Join(directory, file))
		if ignoreBadPath(err) != nil {
			return nil, err
		}
		if !was {
			added = append(added, file)
		}
	}
	return added, nil
}
