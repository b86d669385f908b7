package gitops

import (
	"container/heap"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// history remembers which commits are reachable from a tip and what trailers
// they carry, so that only new commits are read after a fetch.
type history struct {
	tip     plumbing.Hash
	seen    map[plumbing.Hash]struct{}
	trailed []trailedCommit // newest first
}

// ownTrailers is how the keys begin that are remembered: others' trailers are on most commits of many repositories.
const ownTrailers = "Gitover-"

type trailedCommit struct {
	hash     plumbing.Hash
	trailers map[string]string
}

// historyAt brings the memory up to the tip.
func (c *clone) historyAt(ctx context.Context) (*history, error) {
	if c.history != nil && c.history.tip == c.tip {
		return c.history, nil
	}
	fresh := &history{tip: c.tip, seen: map[plumbing.Hash]struct{}{}}
	known := map[plumbing.Hash]struct{}{}
	if c.history != nil {
		known = c.history.seen
	}
	descends := false
	err := walk(ctx, c.objects, c.tip, func(commit *object.Commit) (bool, error) {
		if _, old := known[commit.Hash]; old {
			descends = descends || commit.Hash == c.history.tip
			return false, nil
		}
		fresh.add(commit)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if c.history != nil {
		if !descends {
			// The history was rewritten: commits that were reachable may not be any more.
			c.history = nil
			return c.historyAt(ctx)
		}
		for hash := range fresh.seen {
			known[hash] = struct{}{}
		}
		fresh.seen = known
		fresh.trailed = append(fresh.trailed, c.history.trailed...)
	}
	c.history = fresh
	return fresh, nil
}

func (h *history) add(commit *object.Commit) {
	h.seen[commit.Hash] = struct{}{}
	trailers := slices.DeleteFunc(ParseTrailers(commit.Message), func(t Trailer) bool { return !strings.HasPrefix(t.Key, ownTrailers) })
	if len(trailers) > 0 {
		for i, t := range trailers { // the message isn't kept for them
			trailers[i] = Trailer{strings.Clone(t.Key), strings.Clone(t.Value)}
		}
		h.trailed = append(h.trailed, trailedCommit{commit.Hash, firstValues(trailers)})
	}
}

func (t trailedCommit) matches(want map[string]string) bool {
	for key, value := range want {
		if found, ok := t.trailers[key]; !ok || found != value {
			return false
		}
	}
	return true
}

// FindByTrailers gives the commits of the branch, newest first and merged ones
// included, that carry all of these trailers. It looks at the newest tip that
// was fetched; call Fetch first to see what others pushed. An empty match, or one of other trailers than
// Gitover's own, is ErrBadMessage.
func (r *Repository) FindByTrailers(ctx context.Context, match map[string]string) ([]Commit, error) {
	var found []Commit
	err := r.ready(ctx, func(c *clone) error {
		var err error
		found, err = c.findByTrailers(ctx, match)
		return err
	})
	return found, err
}

func (c *clone) findByTrailers(ctx context.Context, match map[string]string) ([]Commit, error) {
	if len(match) == 0 {
		return nil, failure(ErrBadMessage, "a search without trailers would find every commit")
	}
	for key := range match {
		if !strings.HasPrefix(key, ownTrailers) {
			return nil, failure(ErrBadMessage, "trailer %s isn't remembered, only those are that begin with %s", key, ownTrailers)
		}
	}
	history, err := c.historyAt(ctx)
	if err != nil {
		return nil, damaged(err)
	}
	var found []Commit
	for _, candidate := range history.trailed {
		if !candidate.matches(match) {
			continue
		}
		commit, err := object.GetCommit(c.objects, candidate.hash)
		if err != nil {
			return nil, damaged(err)
		}
		found = append(found, describe(commit))
	}
	return found, nil
}

// damaged is an error of a clone's own storage; the clone is then discarded.
func damaged(err error) error {
	ended := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	return &Error{kind: ErrUnreachable, cause: err, damage: !ended, text: "the local clone can't be read, another attempt follows: " + Printable(err.Error(), 300)}
}

// IsAncestor reports whether the descendant contains the ancestor; a commit
// contains itself. A commit that isn't known, even after a fetch, is ErrUnknownRevision.
func (r *Repository) IsAncestor(ctx context.Context, ancestor, descendant string) (bool, error) {
	contained := false
	err := r.ready(ctx, func(c *clone) error {
		younger, err := r.commitAt(ctx, c, descendant)
		if err != nil {
			return err
		}
		older, err := r.commitAt(ctx, c, ancestor)
		if err != nil {
			return err
		}
		contained, err = isAncestor(ctx, c.objects, older, younger)
		return err
	})
	return contained, err
}

// isAncestor walks down from both commits in step, since the usual 'no' is that
// the supposed descendant is a few commits older.
func isAncestor(ctx context.Context, objects storer.EncodedObjectStorer, older, younger *object.Commit) (bool, error) {
	if older.Hash == younger.Hash {
		return true, nil
	}
	down := newWalker(objects, younger)
	back := newWalker(objects, older)
	for {
		if err := ctx.Err(); err != nil {
			return false, &Error{kind: ErrUnreachable, cause: err, text: "comparing commits took too long, another attempt follows"}
		}
		commit, err := down.next()
		if err != nil {
			return false, damaged(err)
		}
		if commit == nil {
			return false, nil
		}
		if commit.Hash == older.Hash {
			return true, nil
		}
		commit, err = back.next()
		if err != nil {
			return false, damaged(err)
		}
		if commit != nil && commit.Hash == younger.Hash {
			return false, nil
		}
	}
}

// walk visits the commits reachable from a hash, newest first by committer
// time and children before parents in a line; visit says whether to go on to the parents.
func walk(ctx context.Context, objects storer.EncodedObjectStorer, from plumbing.Hash, visit func(*object.Commit) (bool, error)) error {
	start, err := object.GetCommit(objects, from)
	if err != nil {
		return err
	}
	w := newWalker(objects, start)
	w.visit = visit
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		commit, err := w.next()
		if err != nil || commit == nil {
			return err
		}
	}
}

type walker struct {
	objects storer.EncodedObjectStorer
	queue   commitQueue
	queued  map[plumbing.Hash]struct{}
	visit   func(*object.Commit) (bool, error)
}

func newWalker(objects storer.EncodedObjectStorer, start *object.Commit) *walker {
	return &walker{objects: objects, queue: commitQueue{start}, queued: map[plumbing.Hash]struct{}{start.Hash: {}}}
}

// next gives the next commit, nil at the end.
func (w *walker) next() (*object.Commit, error) {
	if len(w.queue) == 0 {
		return nil, nil
	}
	commit := heap.Pop(&w.queue).(*object.Commit)
	if w.visit != nil {
		if onward, err := w.visit(commit); err != nil || !onward {
			return commit, err
		}
	}
	for _, hash := range commit.ParentHashes {
		if _, done := w.queued[hash]; done {
			continue
		}
		w.queued[hash] = struct{}{}
		parent, err := object.GetCommit(w.objects, hash)
		if err != nil {
			return nil, err
		}
		heap.Push(&w.queue, parent)
	}
	return commit, nil
}

type commitQueue []*object.Commit

func (q commitQueue) Len() int           { return len(q) }
func (q commitQueue) Less(i, j int) bool { return q[i].Committer.When.After(q[j].Committer.When) }
func (q commitQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *commitQueue) Push(x any)        { *q = append(*q, x.(*object.Commit)) }
func (q *commitQueue) Pop() any {
	last := len(*q) - 1
	commit := (*q)[last]
	*q = (*q)[:last]
	return commit
}
