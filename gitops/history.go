package gitops

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/gitover/gitover/gitops/history"
)

// ownTrailers is how the keys begin that are remembered: others' trailers are on most commits of many repositories.
const ownTrailers = "Gitover-"

// lineAt is what the clone has of the branch's history, brought up to the tip: only new commits are read after a fetch.
func (c *clone) lineAt(ctx context.Context) (*history.Line, error) {
	if c.line != nil && c.line.Tip == c.tip {
		return c.line, nil
	}
	before := c.line
	c.line = nil
	line, err := c.graph.Line(ctx, c.tip, before)
	if err != nil {
		return nil, damaged(err)
	}
	for _, hash := range line.Edge() {
		if _, known := c.edge[hash]; !known {
			return nil, damaged(errors.New("a commit is missing"))
		}
	}
	c.line = line
	return line, nil
}

// remembered is what is kept of a commit; nil if the clone doesn't have it.
func (c *clone) remembered(hash plumbing.Hash) (*history.Commit, error) {
	commit, err := object.GetCommit(c.objects, hash)
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	kept := &history.Commit{Parents: slices.Clip(commit.ParentHashes), When: commit.Committer.When.Unix()}
	trailers := slices.DeleteFunc(ParseTrailers(commit.Message), func(t Trailer) bool { return !strings.HasPrefix(t.Key, ownTrailers) })
	if len(trailers) > 0 {
		for i, t := range trailers { // the message isn't kept for them
			trailers[i] = Trailer{strings.Clone(t.Key), strings.Clone(t.Value)}
		}
		kept.Trailers = firstValues(trailers)
	}
	return kept, nil
}

// contains says whether the branch, as it was fetched, contains a commit.
func (c *clone) contains(ctx context.Context, hash plumbing.Hash) (bool, error) {
	line, err := c.lineAt(ctx)
	if err != nil {
		return false, err
	}
	contained, err := line.Contains(ctx, hash)
	return contained, ofWalk(err)
}

// parentOf a commit, from the clone. Where the clone ends, the error is history.ErrEdge.
func (c *clone) parentOf(commit *object.Commit, i int) (*object.Commit, error) {
	parent, err := object.GetCommit(c.objects, commit.ParentHashes[i])
	if err == nil {
		return parent, nil
	}
	if _, cut := c.edge[commit.Hash]; cut && errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, history.ErrEdge
	}
	return nil, damaged(err)
}

// matches says whether trailers have all that are wanted.
func matches(trailers, want map[string]string) bool {
	for key, value := range want {
		if found, ok := trailers[key]; !ok || found != value {
			return false
		}
	}
	return true
}

// FindByTrailers gives the commits of the branch, newest first and merged ones
// included, that carry all of these trailers. It looks at the newest tip that
// was fetched; call Fetch first to see what others pushed. since is a commit of the branch from before any could carry them, which
// spares reading what is older; empty, the whole history is read. An empty match, or one of other trailers than
// Gitover's own, is ErrBadMessage.
func (r *Repository) FindByTrailers(ctx context.Context, match map[string]string, since string) ([]Commit, error) {
	var found []Commit
	err := r.ready(ctx, func(c *clone) error {
		var err error
		found, err = c.findByTrailers(ctx, match, since)
		return err
	})
	return found, err
}

func (c *clone) findByTrailers(ctx context.Context, match map[string]string, since string) ([]Commit, error) {
	if len(match) == 0 {
		return nil, failure(ErrBadMessage, "a search without trailers would find every commit")
	}
	for key := range match {
		if !strings.HasPrefix(key, ownTrailers) {
			return nil, failure(ErrBadMessage, "trailer %s isn't remembered, only those are that begin with %s", key, ownTrailers)
		}
	}
	line, err := c.after(ctx, since)
	if err != nil {
		return nil, err
	}
	var found []Commit
	for _, hash := range line.Trailed {
		kept, err := c.graph.At(hash)
		if err != nil {
			return nil, damaged(err)
		}
		if !matches(kept.Trailers, match) {
			continue
		}
		commit, err := object.GetCommit(c.objects, hash)
		if err != nil {
			return nil, damaged(err)
		}
		found = append(found, describe(commit))
	}
	return found, nil
}

// after is the line of the branch, once the clone has all of it that came after a commit.
func (c *clone) after(ctx context.Context, since string) (*history.Line, error) {
	line, err := c.lineAt(ctx)
	if err != nil {
		return nil, err
	}
	return line, ofWalk(line.After(ctx, plumbing.NewHash(since)))
}

// damaged is an error of a clone's own storage; the clone is then discarded. That it ends too early is no damage.
func damaged(err error) error {
	if errors.Is(err, history.ErrEdge) {
		return err
	}
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	return &Error{kind: ErrUnreachable, cause: err, damage: !ended, text: "the local clone can't be read, another attempt follows: " + Printable(err.Error(), 300)}
}

// IsAncestor reports whether the descendant contains the ancestor; a commit
// contains itself. A commit that isn't known, even after a fetch, is ErrUnknownRevision; so is a descendant that isn't on the
// branch after the ancestor, where older ones aren't looked for.
func (r *Repository) IsAncestor(ctx context.Context, ancestor, descendant string) (bool, error) {
	contained := false
	err := r.ready(ctx, func(c *clone) error {
		older, err := r.commitAt(ctx, c, ancestor)
		if err != nil {
			return err
		}
		younger, err := r.commitAfter(ctx, c, descendant, older.Hash)
		if err != nil {
			return err
		}
		line, err := c.graph.Line(ctx, younger.Hash, nil)
		if err != nil {
			return damaged(err)
		}
		contained, err = line.Contains(ctx, older.Hash)
		return ofWalk(err)
	})
	return contained, err
}

// resultOf a commit that is on the branch.
func (c *clone) resultOf(ctx context.Context, hash plumbing.Hash, alreadyThere bool) (Result, error) {
	commit, err := object.GetCommit(c.objects, hash)
	if err != nil {
		return Result{}, damaged(err)
	}
	diff, err := diffOf(ctx, commit)
	return Result{Commit: describe(commit), AlreadyThere: alreadyThere, Diff: diff}, err
}
