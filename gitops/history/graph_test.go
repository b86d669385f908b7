package history

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/go-git/go-git/v5/plumbing"
)

// world is a random history with clocks that are wrong at times, of which a clone has what is near enough to its tip.
type world struct {
	commits map[plumbing.Hash]*Commit
	order   []plumbing.Hash // parents before children
	there   map[plumbing.Hash]bool
}

func hashOf(n int) plumbing.Hash {
	var hash plumbing.Hash
	binary.BigEndian.PutUint32(hash[:], uint32(n+1))
	return hash
}

func newWorld(random *rand.Rand, size int) *world {
	w := &world{commits: map[plumbing.Hash]*Commit{}, there: map[plumbing.Hash]bool{}}
	for n := range size {
		c := &Commit{When: int64(1000 + n*10 + random.IntN(3)*random.IntN(400) - random.IntN(3)*random.IntN(400))}
		for range min(n, 1+random.IntN(5)/3) { // some merges
			c.Parents = append(c.Parents, w.order[max(0, n-1-random.IntN(1+random.IntN(12)))])
		}
		if random.IntN(3) == 0 {
			c.Trailers = map[string]string{"Gitover-Step": "X"}
		}
		w.commits[hashOf(n)] = c
		w.order = append(w.order, hashOf(n))
	}
	return w
}

// below is all that a commit contains, in truth.
func (w *world) below(hash plumbing.Hash) map[plumbing.Hash]bool {
	all := map[plumbing.Hash]bool{}
	for queue := []plumbing.Hash{hash}; len(queue) > 0; queue = queue[1:] {
		if !all[queue[0]] {
			all[queue[0]] = true
			queue = append(queue, w.commits[queue[0]].Parents...)
		}
	}
	return all
}

// fetch what is at most so many steps from a commit.
func (w *world) fetch(from plumbing.Hash, depth int) {
	level := []plumbing.Hash{from}
	for range depth {
		var next []plumbing.Hash
		for _, hash := range level {
			w.there[hash] = true
			next = append(next, w.commits[hash].Parents...)
		}
		level = next
	}
}

func (w *world) read(hash plumbing.Hash) (*Commit, error) {
	if !w.there[hash] {
		return nil, nil
	}
	return w.commits[hash], nil
}

func TestWhatAClonesEdgeHidesIsNeverTakenForMissing(t *testing.T) {
	var answered, refused int
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(random, 10+random.IntN(60))
		g := New(w.read)
		var line *Line
		tip := w.order[len(w.order)/2]
		for depth := 1; depth < 200; depth *= 2 {
			if random.IntN(3) == 0 && depth > 1 {
				tip = w.order[random.IntN(len(w.order))] // pushed to, or rewritten
			}
			w.fetch(tip, depth)
			side := w.order[random.IntN(len(w.order))]
			w.fetch(side, random.IntN(4))
			var err error
			if line, err = g.Line(t.Context(), tip, nil); err != nil {
				t.Fatal(err)
			}
			truth := w.below(tip)
			for _, hash := range w.order {
				has, err := line.Contains(t.Context(), hash)
				switch {
				case errors.Is(err, ErrEdge) && !line.Whole():
					refused++
				case err != nil || has != truth[hash]:
					t.Fatalf("seed %d, depth %d: contains %t %v, in truth %t", seed, depth, has, err, truth[hash])
				default:
					answered++
				}
				if line.After(t.Context(), hash) == nil {
					w.checkAfter(t, line, hash)
				}
			}
		}
		if !line.Whole() {
			t.Fatalf("seed %d: at last, all is there", seed)
		}
	}
	t.Logf("%d answers, %d times the clone had too little", answered, refused)
}

// checkAfter that the line has all that came after a commit, and knows which of it contain the commit.
func (w *world) checkAfter(t *testing.T, line *Line, hash plumbing.Hash) {
	t.Helper()
	truth, before := w.below(line.Tip), map[plumbing.Hash]bool{}
	if w.there[hash] {
		before = w.below(hash)
	}
	for commit := range truth {
		if !before[commit] && !line.Has(commit) {
			t.Fatal("a commit is missing")
		}
	}
	if !line.Has(hash) {
		return
	}
	since, err := line.Since(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	for commit := range truth {
		if _, contains := since[commit]; contains != w.below(commit)[hash] {
			t.Fatalf("contains the commit: %t", contains)
		}
	}
}

func TestALineGrowsWithItsBranchAndIsMadeAgainWhenItWasRewritten(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(random, 40)
		for _, hash := range w.order {
			w.there[hash] = true
		}
		g := New(w.read)
		var line *Line
		for range 6 {
			tip := w.order[random.IntN(len(w.order))]
			grown, err := g.Line(t.Context(), tip, line)
			if err != nil {
				t.Fatal(err)
			}
			truth := w.below(tip)
			trailed := 0
			for hash := range truth {
				if !grown.Has(hash) {
					t.Fatal("a commit is missing")
				}
				if w.commits[hash].Trailers != nil {
					trailed++
				}
			}
			if len(grown.has) != len(truth) || len(grown.Trailed) != trailed {
				t.Fatalf("seed %d: %d commits, %d of them with trailers; in truth %d, %d", seed, len(grown.has), len(grown.Trailed), len(truth), trailed)
			}
			line = grown
		}
	}
}
