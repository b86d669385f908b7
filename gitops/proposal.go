package gitops

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitover/gitover/gitops/history"
	"github.com/gitover/gitover/gitops/shallow"
)

// Proposal is a commit of ours on a branch of its own, which people merge to the branch that is followed.
type Proposal struct {
	// Exists: the branch is on the server.
	Exists bool
	// Commit of ours that waits there; nil if there's none.
	Commit *Commit
	// Base is its parent, on the branch that is followed.
	Base string
	// Others is how many commits of other people are on top.
	Others int
	// Stale: it has to be put on the tip again, since what it changes was changed there, or it says something else than the edit.
	Stale bool
}

// Proposed reads a branch, and finds the commit there that carries the trailers of unique, and isn't on the branch that is followed,
// as of the newest tip that was fetched. known is the commit that was pushed there last; a commit that people amended is theirs.
func (r *Repository) Proposed(ctx context.Context, branch string, content Content, unique map[string]string, known string) (Proposal, error) {
	var proposal Proposal
	err := r.ready(ctx, func(c *clone) error {
		directory, err := CleanDirectory(content.Directory)
		if err != nil {
			return err
		}
		content.Directory = directory
		look, err := r.branchOf(ctx, c, branch)
		if err != nil || look == nil {
			return err
		}
		proposal.Exists = true
		ours, err := look.ours(ctx, unique)
		if err != nil || ours == nil {
			return err
		}
		description := describe(ours)
		proposal.Commit, proposal.Others = &description, look.others
		if len(description.Parents) > 0 {
			proposal.Base = description.Parents[0]
		}
		if look.others > 0 || ours.NumParents() != 1 {
			return nil
		}
		pristine, err := look.pristine(content, ours, known)
		if err == nil && pristine {
			proposal.Stale, err = look.stale(ctx, content, ours)
		}
		return err
	})
	return proposal, err
}

// sideBranch is another branch than the one that is followed, as it was fetched.
type sideBranch struct {
	*clone
	branch string
	head   plumbing.Hash
	// others is how many commits are on top of ours.
	others int
}

// branchOf fetches a branch; nil if it isn't there.
func (r *Repository) branchOf(ctx context.Context, c *clone, branch string) (*sideBranch, error) {
	if err := checkBranch(branch); err != nil {
		return nil, err
	}
	var head plumbing.Hash
	err := r.observed("fetch", func() error {
		var err error
		head, err = c.fetchBranch(ctx, r.access, branch)
		return err
	})
	if errors.Is(err, ErrBranchMissing) {
		return nil, nil
	}
	return &sideBranch{clone: c, branch: branch, head: head}, err
}

// fetchBranch brings another branch into the clone, and leaves the branch that is followed as it is.
func (c *clone) fetchBranch(ctx context.Context, access Access, branch string) (plumbing.Hash, error) {
	tips, err := c.exchange(ctx, access, shallow.Request{Branches: []string{branch}})
	head, ok := tips[branch]
	if err == nil && !ok {
		delete(c.sides, branch)
		err = plumbing.ErrReferenceNotFound
	}
	if err != nil {
		return plumbing.ZeroHash, access.remoteFailure("fetch from", err)
	}
	if c.sides[branch] != head {
		c.sides[branch] = head
		c.fetches++
	}
	return head, nil
}

// ours is the newest commit of the branch with these trailers that isn't on the followed branch.
func (b *sideBranch) ours(ctx context.Context, unique map[string]string) (found *object.Commit, err error) {
	if _, err := b.lineAt(ctx); err != nil {
		return nil, err
	}
	b.others = 0
	err = b.graph.Walk(ctx, b.head, func(hash plumbing.Hash, _ *history.Commit, whole bool) (bool, error) {
		if found != nil {
			return false, nil
		}
		if merged, err := b.contains(ctx, hash); err != nil || merged {
			return false, err
		}
		commit, err := object.GetCommit(b.objects, hash)
		if err != nil {
			return false, err
		}
		if matches(firstValues(ParseTrailers(commit.Message)), unique) {
			found = commit
			return false, nil
		}
		b.others++
		if !whole {
			return false, history.ErrEdge
		}
		return true, nil
	})
	if err != nil {
		return nil, ofWalk(err)
	}
	return found, nil
}

// pristine says whether a commit at the branch's head is as Gitover made it.
func (b *sideBranch) pristine(content Content, commit *object.Commit, known string) (bool, error) {
	if commit.Hash != b.head {
		return false, nil
	}
	if commit.Hash.String() == known {
		return true, nil
	}
	parent, err := b.parentOf(commit, 0)
	if err != nil {
		return false, err
	}
	tree := treeOf(b.objects, parent.TreeHash, content.Directory)
	if err := content.Edit(tree); err != nil {
		return false, ignoreBadPath(err)
	}
	root, err := tree.write(newBatch())
	return root == commit.TreeHash, err
}

// stale says whether a commit of ours has to be made again on the tip of the followed branch.
func (b *sideBranch) stale(ctx context.Context, content Content, commit *object.Commit) (bool, error) {
	own := treeOf(b.objects, commit.TreeHash, content.Directory)
	if err := content.Edit(own); err != nil {
		return !Temporary(err), ignoreBadPath(err)
	}
	if differs, err := own.differs(); err != nil || differs {
		return differs, err
	}
	parent, err := b.parentOf(commit, 0)
	if err != nil {
		return false, err
	}
	tip, err := object.GetCommit(b.objects, b.tip)
	if err != nil {
		return false, damaged(err)
	}
	names, err := b.filesOf(ctx, parent, commit)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		was, _, errWas := lookup(b.objects, parent.TreeHash, name)
		is, _, errIs := lookup(b.objects, tip.TreeHash, name)
		if err := errors.Join(ignoreBadPath(errWas), ignoreBadPath(errIs)); err != nil {
			return false, err
		}
		if was.Hash != is.Hash {
			return true, nil
		}
	}
	return false, nil
}

// filesOf are the paths that differ between two commits.
func (c *clone) filesOf(ctx context.Context, before, after *object.Commit) ([]string, error) {
	var trees [2]*object.Tree
	for i, commit := range []*object.Commit{before, after} {
		tree, err := object.GetTree(c.objects, commit.TreeHash)
		if err != nil {
			return nil, damaged(err)
		}
		trees[i] = tree
	}
	changes, err := object.DiffTreeContext(ctx, trees[0], trees[1])
	if err != nil {
		return nil, damaged(err)
	}
	var names []string
	for _, change := range changes {
		for _, name := range []string{change.From.Name, change.To.Name} {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// taken is the error of a branch that holds other people's commits.
func (b *sideBranch) taken(r *Repository) error {
	return failure(ErrBranchTaken, "branch %q of %s: %v; delete it, or have spec.git.push.branch name another one", b.branch, r, ErrBranchTaken)
}

func (p Proposal) String() string {
	if p.Commit == nil {
		return "nothing"
	}
	return fmt.Sprintf("%.12s on %.12s, %d on top, stale %t", p.Commit.SHA, p.Base, p.Others, p.Stale)
}
