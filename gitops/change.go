package gitops

import (
	"context"
	"errors"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// LastChange gives the commit that gave a field the value it has at a revision,
// following merges to the commit that wrote it: this tells who asked for the upgrade, and
// when. Errors: those of ReadField.
func (r *Repository) LastChange(ctx context.Context, revision, path, field string) (Commit, error) {
	full, err := CleanDirectory(path)
	if err != nil {
		return Commit{}, err
	}
	var found Commit
	err = r.ready(ctx, func(c *clone) error {
		start, err := r.commitAt(ctx, c, revision)
		if err != nil {
			return err
		}
		if err := c.hasField(start, full, field); err != nil {
			return err
		}
		commit, err := c.lastChange(ctx, start, fieldReader(c, full, field))
		if err != nil {
			return err
		}
		found = describe(commit)
		return nil
	})
	return found, err
}

func (c *clone) hasField(commit *object.Commit, full, field string) error {
	tree := &Tree{objects: c.objects, root: commit.TreeHash}
	content, err := tree.readFull(full)
	if err != nil {
		return err
	}
	_, err = FieldValue(content, field)
	return inFile(full, err)
}

// treeReader reads one thing in a commit's tree as text; two commits
// with the same text agree about the thing.
type treeReader func(tree plumbing.Hash) (string, error)

const absent = "\x00absent"

// fieldReader reads a field of a file. Files that are the same are parsed once.
func fieldReader(c *clone, full, field string) treeReader {
	known := map[plumbing.Hash]string{}
	return func(root plumbing.Hash) (string, error) {
		entry, found, err := lookup(c.objects, root, full)
		if errors.Is(err, ErrBadPath) || err == nil && !found {
			return absent, nil
		}
		if err != nil {
			return "", err
		}
		if seen, ok := known[entry.Hash]; ok {
			return seen, nil
		}
		content, err := readEntry(c.objects, full, entry)
		text := absent
		if err == nil {
			if value, err := FieldValue(content, field); err == nil {
				text = value
			}
		} else if errors.Is(err, ErrUnreachable) {
			return "", err
		}
		known[entry.Hash] = text
		return text, nil
	}
}

// lastChange walks down as long as a parent agrees; the commit none of whose
// parents agrees made the change. A merge that took one side leads to that side.
func (c *clone) lastChange(ctx context.Context, start *object.Commit, look treeReader) (*object.Commit, error) {
	want, err := look(start.TreeHash)
	if err != nil {
		return nil, err
	}
	commit := start
	for {
		if err := ctx.Err(); err != nil {
			return nil, &Error{kind: ErrUnreachable, cause: err, text: "reading the history took too long, another attempt follows"}
		}
		var agrees *object.Commit
		for i := range commit.ParentHashes {
			parent, err := c.parentOf(commit, i)
			if err != nil {
				return nil, err
			}
			got, err := look(parent.TreeHash)
			if err != nil {
				return nil, err
			}
			if got == want {
				agrees = parent
				break
			}
		}
		if agrees == nil {
			return commit, nil
		}
		commit = agrees
	}
}

// RevertedBy tells whether the changes of one of our commits still stand at the newest tip
// that was fetched; if not, it returns the commit that undid them: a `git revert`, an edit by
// hand, or a later commit of Gitover's own (see its Trailers). It judges by content, so that a
// revert that was itself reverted doesn't count. What a human reverted must never be committed
// again.
//
// What counts: fields that the commit set or removed, entries that it added to or
// took from lists, files that it added (whatever is in them now) or removed.
// ErrUnknownRevision says that history was rewritten without the commit.
func (r *Repository) RevertedBy(ctx context.Context, commit Commit) (*Commit, error) {
	var found *Commit
	err := r.ready(ctx, func(c *clone) error {
		hash := plumbing.NewHash(commit.SHA)
		if on, err := c.contains(ctx, hash); err != nil {
			return err
		} else if !on {
			return failure(ErrUnknownRevision, "commit %s isn't on branch %q of %s any more: its history was rewritten", commit.SHA, r.access.branch, r)
		}
		ours, err := object.GetCommit(c.objects, hash)
		if err != nil {
			return damaged(err)
		}
		tip, err := object.GetCommit(c.objects, c.tip)
		if err != nil {
			return damaged(err)
		}
		ended, err := c.endedBy(ctx, ours, tip)
		if err == nil && ended != nil {
			description := describe(ended)
			found = &description
		}
		return err
	})
	return found, err
}

func (c *clone) endedBy(ctx context.Context, ours, tip *object.Commit) (*object.Commit, error) {
	readers, err := c.changesOf(ctx, ours)
	if err != nil {
		return nil, err
	}
	for _, reader := range readers {
		want, err := reader(ours.TreeHash)
		if err != nil {
			return nil, err
		}
		got, err := reader(tip.TreeHash)
		if err != nil {
			return nil, err
		}
		if got != want {
			return c.lastChange(ctx, tip, reader)
		}
	}
	return nil, nil
}
