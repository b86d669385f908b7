package schema

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/gitover/gitover/steps/postgres"
)

// question: do two texts mean the same? The first is of the side that serves, the second of the side that follows.
type question struct {
	// item that it is about.
	item, kind string
	scopes     [2][]string
	texts      [2]string
	same       bool
	// words say why they don't.
	words string
}

// mostPrints until a text is stable: a dump and restore may change how an expression is printed, but only once.
const mostPrints = 3

// judge answers questions by the parser of a side: texts mean the same when the server prints the same for both once
// it has read them.
type judge struct {
	*schemaSide
	database string
}

// answer marks the questions whose texts mean the same, and has words for the others.
func (j judge) answer(ctx context.Context, questions []*question) error {
	pad, err := newScratchpad(ctx, j.conn, j.version)
	if err != nil {
		return err
	}
	var open []*question
	for _, q := range questions {
		if _, q.same = sameMeanings.get(j.key(q)); !q.same {
			open = append(open, q)
		}
	}
	if open, err = j.together(ctx, pad, open); err != nil {
		return fmt.Errorf("compare expressions on %s: %w", j.Instance, err)
	}
	var texts []scratch
	for _, q := range open {
		texts = append(texts, j.scratch(q, 0), j.scratch(q, 1))
	}
	for range mostPrints {
		found, err := pad.print(ctx, texts)
		if err != nil {
			return fmt.Errorf("compare expressions on %s: %w", j.Instance, err)
		}
		var left []*question
		texts = nil
		for i, q := range open {
			if want, have := found[2*i], found[2*i+1]; !j.decided(q, want, have) {
				left, texts = append(left, q), append(texts, want.scratch, have.scratch)
			}
		}
		open = left
	}
	return nil
}

func (j judge) scratch(q *question, side int) scratch {
	return scratch{q.kind, q.scopes[j.number], q.texts[side]}
}

// together answers many questions by two texts, one for each side, that hold them all: most differ only in how
// versions print them, and creating an object takes the time. The others have to be asked one by one.
func (j judge) together(ctx context.Context, pad *scratchpad, questions []*question) (left []*question, err error) {
	var joined []*question
	for _, q := range questions {
		if _, ok := j.scratch(q, 0).subquery(); ok {
			joined = append(joined, q)
		} else {
			left = append(left, q)
		}
	}
	for some := range slices.Chunk(joined, scratchAtATime) {
		var sides [2][]scratch
		for _, q := range some {
			sides[0], sides[1] = append(sides[0], j.scratch(q, 0)), append(sides[1], j.scratch(q, 1))
		}
		found, err := pad.print(ctx, []scratch{joinedScratch(sides[0]), joinedScratch(sides[1])})
		if err != nil {
			return nil, err
		}
		if found[0].refused != nil || found[1].refused != nil || found[0].text != found[1].text {
			left = append(left, some...)
			continue
		}
		for _, q := range some {
			q.same = true
			sameMeanings.put(j.key(q), true)
		}
	}
	return left, nil
}

// decided: printing them once more would change nothing.
func (j judge) decided(q *question, want, have printed) bool {
	for _, p := range []printed{want, have} {
		if p.refused != nil {
			q.words = fmt.Sprintf("%s can't read %q: %s", j.Instance, postgres.Excerpt(p.text), p.refused.Message)
			return true
		}
	}
	if q.same = want.text == have.text; q.same {
		sameMeanings.put(j.key(q), true)
		return true
	}
	q.words = postgres.FirstDifference(want.plain(), have.plain())
	return false
}

// key of a remembered answer. Texts that differ aren't remembered: a later change of their environment may
// make them equal.
func (j judge) key(q *question) [sha256.Size]byte {
	return sum(append([]string{j.system, j.Address(), j.database, q.kind, q.texts[0], q.texts[1]}, q.scopes[j.number]...)...)
}
