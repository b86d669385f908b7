package gitops

import (
	"context"
	"errors"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitover/gitover/gitops/history"
)

// Content is what an edit would make of a directory. A commit has it if the edit would change nothing there, whoever wrote it:
// a merge, a squash, a rebase, a cherry-pick, or an edit by hand.
type Content struct {
	Directory string
	Edit      Edit
	// Base is a commit of the branch that didn't have the content yet; only commits after it count. Empty: the tip alone counts.
	Base string
	// Since is a commit of the branch from before Base and Known: how far back these are looked for. Empty: through the whole history.
	Since string
	// Known commit that is known to have brought it; empty: it is looked for.
	Known string
}

// Landing is what became of content on the branch.
type Landing struct {
	// Commit that brought it; nil: it never came.
	Commit *Commit
	// RevertedBy took it away again, and it isn't there now.
	RevertedBy *Commit
}

// Landed says whether content came to the branch, as of the newest tip that was fetched, and whether it is still there. Errors:
// ErrBadPath, and those that are worth a retry.
func (r *Repository) Landed(ctx context.Context, content Content) (Landing, error) {
	var landing Landing
	err := r.ready(ctx, func(c *clone) error {
		directory, err := CleanDirectory(content.Directory)
		if err != nil {
			return err
		}
		look := lander{clone: c, has: c.contentReader(directory, content.Edit)}
		if look.line, err = c.after(ctx, content.Since); err != nil {
			return err
		}
		if base := plumbing.NewHash(content.Base); look.line.Has(base) {
			if look.base, err = c.graph.Line(ctx, base, nil); err != nil {
				return damaged(err)
			}
		}
		landing, err = look.at(ctx, plumbing.NewHash(content.Known))
		return err
	})
	return landing, err
}

const present = "there"

// contentReader says whether a commit's tree has what an edit would make. A file that the edit would write and that people
// edited further counts: it is there, and the next step says what is wrong with it.
func (c *clone) contentReader(directory string, edit Edit) treeReader {
	known := map[plumbing.Hash]string{}
	return func(root plumbing.Hash) (string, error) {
		entry, found, err := lookup(c.objects, root, directory)
		if err != nil || !found {
			return absent, ignoreBadPath(err)
		}
		if text, seen := known[entry.Hash]; seen {
			return text, nil
		}
		text, err := c.contentIn(root, directory, edit)
		if err == nil {
			known[entry.Hash] = text
		}
		return text, err
	}
}

func (c *clone) contentIn(root plumbing.Hash, directory string, edit Edit) (string, error) {
	tree := treeOf(c.objects, root, directory)
	err := edit(tree)
	switch {
	case errors.Is(err, ErrDrift):
		return present, nil
	case err != nil:
		// a directory without the files that the edit needs doesn't have what it makes
		return absent, ignoreBadPath(err)
	}
	if changes, err := tree.differs(); err != nil || changes {
		return absent, ignoreBadPath(err)
	}
	return present, nil
}

// lander looks for content in the commits of a branch after a base.
type lander struct {
	*clone
	has  treeReader
	line *history.Line
	// base and what it contains; nil if there's none, or a rewritten history hasn't it
	base *history.Line
}

func (l lander) at(ctx context.Context, known plumbing.Hash) (Landing, error) {
	tip, err := object.GetCommit(l.objects, l.tip)
	if err != nil {
		return Landing{}, damaged(err)
	}
	now, err := l.has(tip.TreeHash)
	if err != nil {
		return Landing{}, err
	}
	var brought *object.Commit
	switch {
	case l.line.Has(known):
		if brought, err = object.GetCommit(l.objects, known); err != nil {
			return Landing{}, damaged(err)
		}
	case now == present:
		brought, err = l.broughtBy(ctx, tip)
	case l.base != nil: // else what was before it can't be told apart
		brought, err = l.once(ctx, tip)
	}
	if err != nil || brought == nil {
		return Landing{}, err
	}
	description := describe(brought)
	landing := Landing{Commit: &description}
	if now == present {
		return landing, nil
	}
	by, err := l.takenAwayBy(ctx, brought, tip)
	if err != nil {
		return Landing{}, err
	}
	reverted := describe(by)
	landing.RevertedBy = &reverted
	return landing, nil
}

// once finds the commit that brought content which the tip doesn't have any more: nil if no commit after the base had it.
func (l lander) once(ctx context.Context, tip *object.Commit) (*object.Commit, error) {
	var had *object.Commit
	err := l.graph.Walk(ctx, tip.Hash, func(hash plumbing.Hash, _ *history.Commit, whole bool) (bool, error) {
		if had != nil || l.base.Has(hash) {
			return false, nil
		}
		commit, err := object.GetCommit(l.objects, hash)
		if err != nil {
			return false, err
		}
		text, err := l.has(commit.TreeHash)
		if err == nil && text == present {
			had = commit
		}
		if err == nil && had == nil && !whole {
			err = history.ErrEdge
		}
		return had == nil, err
	})
	if err != nil || had == nil {
		return nil, ofWalk(err)
	}
	return l.broughtBy(ctx, had)
}

// broughtBy follows the content down to the commit that brought it, but not to what was there before the base: what an earlier
// proposal of the same content brought was taken away since.
func (l lander) broughtBy(ctx context.Context, commit *object.Commit) (*object.Commit, error) {
	for {
		further, err := l.parent(ctx, commit, func(parent *object.Commit) (bool, error) {
			text, err := l.has(parent.TreeHash)
			return text == present && !l.base.Has(parent.Hash), err
		})
		if err != nil || further == nil {
			return commit, err
		}
		commit = further
	}
}

// parent is the first parent that fits; nil if none does.
func (l lander) parent(ctx context.Context, commit *object.Commit, fits func(*object.Commit) (bool, error)) (*object.Commit, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{kind: ErrUnreachable, cause: err, text: "reading the history took too long, another attempt follows"}
	}
	for i := range commit.ParentHashes {
		parent, err := l.parentOf(commit, i)
		if err != nil {
			return nil, err
		}
		if ok, err := fits(parent); ok || err != nil {
			return parent, err
		}
	}
	return nil, nil
}

// takenAwayBy follows, from the tip down, the commits that contain the one which brought the content and don't have it: the last of
// these took it away.
func (l lander) takenAwayBy(ctx context.Context, brought, tip *object.Commit) (*object.Commit, error) {
	since, err := l.line.Since(ctx, brought.Hash)
	if err != nil {
		return nil, ofWalk(err)
	}
	commit := tip
	for {
		further, err := l.parent(ctx, commit, func(parent *object.Commit) (bool, error) {
			if _, contains := since[parent.Hash]; !contains || parent.Hash == brought.Hash {
				return false, nil
			}
			text, err := l.has(parent.TreeHash)
			return err == nil && text != present, err
		})
		if err != nil || further == nil {
			return commit, err
		}
		commit = further
	}
}

// ofWalk keeps an error that says what it is, and calls any other one damage.
func ofWalk(err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return damaged(err)
}
