package history

import (
	"container/heap"
	"context"
	"errors"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// ErrEdge says that the clone ends before the answer.
var ErrEdge = errors.New("the clone has too little of the history")

// Commit is what is remembered of one.
type Commit struct {
	Parents []plumbing.Hash
	// When it was committed, in seconds since 1970.
	When int64
	// Trailers that are remembered; nil for most commits.
	Trailers map[string]string
}

// Read gives a commit that the clone has; nil: it doesn't have it.
type Read func(plumbing.Hash) (*Commit, error)

// Graph remembers the commits that were read, which never change.
type Graph struct {
	read  Read
	known map[plumbing.Hash]*Commit
}

// New graph of the commits that read gives.
func New(read Read) *Graph { return &Graph{read: read, known: map[plumbing.Hash]*Commit{}} }

// At gives a commit; nil if the clone doesn't have it, which may change when it is deepened.
func (g *Graph) At(hash plumbing.Hash) (*Commit, error) {
	if commit, ok := g.known[hash]; ok {
		return commit, nil
	}
	commit, err := g.read(hash)
	if err == nil && commit != nil {
		g.known[hash] = commit
	}
	return commit, err
}

// Line is a commit and all that the clone has of what it contains.
type Line struct {
	graph *Graph
	// Tip is the commit; it is in the line.
	Tip plumbing.Hash
	has map[plumbing.Hash]struct{}
	// edge are the commits of which a parent isn't in the clone.
	edge []plumbing.Hash
	// Trailed commits, newest first by the committer's time, and children before parents in a line.
	Trailed []plumbing.Hash
}

// Line of a commit. before, if it isn't nil, is the line of an earlier tip of the branch with the same edge: it is used up.
func (g *Graph) Line(ctx context.Context, tip plumbing.Hash, before *Line) (*Line, error) {
	fresh := &Line{graph: g, Tip: tip, has: map[plumbing.Hash]struct{}{}}
	descends := false
	err := g.Walk(ctx, tip, func(hash plumbing.Hash, commit *Commit, whole bool) (bool, error) {
		if before.Has(hash) {
			descends = descends || hash == before.Tip
			return false, nil
		}
		fresh.add(hash, commit, whole)
		return true, nil
	})
	switch {
	case err != nil:
		return nil, err
	case before == nil:
		return fresh, nil
	case !descends: // rewritten: commits that were reachable may not be any more
		return g.Line(ctx, tip, nil)
	}
	for hash := range fresh.has {
		before.has[hash] = struct{}{}
	}
	fresh.has, fresh.edge, fresh.Trailed = before.has, append(fresh.edge, before.edge...), append(fresh.Trailed, before.Trailed...)
	return fresh, nil
}

func (l *Line) add(hash plumbing.Hash, commit *Commit, whole bool) {
	l.has[hash] = struct{}{}
	if !whole {
		l.edge = append(l.edge, hash)
	}
	if commit.Trailers != nil {
		l.Trailed = append(l.Trailed, hash)
	}
}

// Has says whether a commit is among those that the clone has of the line.
func (l *Line) Has(hash plumbing.Hash) bool {
	if l == nil {
		return false
	}
	_, has := l.has[hash]
	return has
}

// Whole says whether the clone has all of the line.
func (l *Line) Whole() bool { return len(l.edge) == 0 }

// Edge are the commits of which a parent isn't in the clone.
func (l *Line) Edge() []plumbing.Hash { return slices.Clone(l.edge) }

// Contains says whether the line's tip contains a commit, which need not be in the clone.
func (l *Line) Contains(ctx context.Context, hash plumbing.Hash) (bool, error) {
	if l.Has(hash) {
		return true, nil
	}
	return false, l.After(ctx, hash)
}

// After is nil if the clone has all commits of the line that a commit doesn't contain: everything that came to the branch after
// it. The zero hash, and a commit that the clone doesn't have, ask for the whole line.
func (l *Line) After(ctx context.Context, hash plumbing.Hash) error {
	if l.Whole() {
		return nil
	}
	commit, err := l.graph.At(hash)
	if err != nil {
		return err
	}
	if commit == nil {
		return ErrEdge
	}
	below, err := l.graph.Line(ctx, hash, nil)
	if err != nil {
		return err
	}
	for _, edge := range l.edge {
		if !below.Has(edge) {
			return ErrEdge
		}
	}
	return nil
}

// Since are the commits of the line that contain a commit of it, which is one of them.
func (l *Line) Since(ctx context.Context, hash plumbing.Hash) (map[plumbing.Hash]struct{}, error) {
	children := map[plumbing.Hash][]plumbing.Hash{}
	err := l.graph.Walk(ctx, l.Tip, func(child plumbing.Hash, commit *Commit, _ bool) (bool, error) {
		for _, parent := range commit.Parents {
			children[parent] = append(children[parent], child)
		}
		return child != hash, nil
	})
	since := map[plumbing.Hash]struct{}{hash: {}}
	for queue := []plumbing.Hash{hash}; len(queue) > 0; queue = queue[1:] {
		for _, child := range children[queue[0]] {
			if _, done := since[child]; !done {
				since[child] = struct{}{}
				queue = append(queue, child)
			}
		}
	}
	return since, err
}

// Walk visits what the clone has of a commit's history, newest first by the committer's time and children before parents in a line. visit is
// told whether the clone has all parents of a commit, and says whether to go on to them.
func (g *Graph) Walk(ctx context.Context, from plumbing.Hash, visit func(hash plumbing.Hash, commit *Commit, whole bool) (bool, error)) error {
	start, err := g.At(from)
	if err != nil || start == nil {
		return errors.Join(err, missing(start))
	}
	queue := &byTime{{from, start}}
	queued := map[plumbing.Hash]struct{}{from: {}}
	for queue.Len() > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := heap.Pop(queue).(entry)
		parents, whole, err := g.parents(next.commit)
		if err != nil {
			return err
		}
		onward, err := visit(next.hash, next.commit, whole)
		if err != nil {
			return err
		}
		if !onward {
			continue
		}
		for _, parent := range parents {
			if _, done := queued[parent.hash]; !done {
				queued[parent.hash] = struct{}{}
				heap.Push(queue, parent)
			}
		}
	}
	return nil
}

func missing(commit *Commit) error {
	if commit == nil {
		return ErrEdge
	}
	return nil
}

// parents that the clone has, and whether these are all.
func (g *Graph) parents(commit *Commit) (parents []entry, whole bool, err error) {
	for _, hash := range commit.Parents {
		parent, err := g.At(hash)
		if err != nil {
			return nil, false, err
		}
		if parent != nil {
			parents = append(parents, entry{hash, parent})
		}
	}
	return parents, len(parents) == len(commit.Parents), nil
}

type entry struct {
	hash   plumbing.Hash
	commit *Commit
}

// byTime is a heap of commits, the newest first.
type byTime []entry

func (q byTime) Len() int           { return len(q) }
func (q byTime) Less(i, j int) bool { return q[i].commit.When > q[j].commit.When }
func (q byTime) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push is of heap.Interface.
func (q *byTime) Push(x any) { *q = append(*q, x.(entry)) }

// Pop is of heap.Interface.
func (q *byTime) Pop() any {
	last := len(*q) - 1
	popped := (*q)[last]
	*q = (*q)[:last]
	return popped
}
