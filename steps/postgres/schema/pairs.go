package schema

import (
	"maps"
	"slices"
	"sync"

	"github.com/gitover/gitover/steps/postgres"
)

// itemPairs match the objects of two sides while they are read, and keep only what differs: most of a large schema is
// equal.
type itemPairs struct {
	mu sync.Mutex
	// objects that the side that serves has.
	objects int
	// alone is what only one side has, so far.
	alone [2]map[string]schemaItem
	// differing by text.
	differing map[string][2]schemaItem
}

func newItemPairs() *itemPairs {
	return &itemPairs{alone: [2]map[string]schemaItem{{}, {}}, differing: map[string][2]schemaItem{}}
}

// add an item of a side, once.
func (p *itemPairs) add(side int, item schemaItem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if side == 0 {
		p.objects++
	}
	other, there := p.alone[1-side][item.Name]
	if !there {
		p.alone[side][item.Name] = item
		return
	}
	delete(p.alone[1-side], item.Name)
	if !item.equal(other) {
		pair := [2]schemaItem{other, other}
		pair[side] = item
		p.differing[item.Name] = pair
	}
}

// compare when everything is read: returns what differs for sure, by name, and the questions for a parser,
// sorted.
func (p *itemPairs) compare() (differences map[string]string, open []*question) {
	differences = map[string]string{}
	for name := range p.alone[0] {
		differences[name] = name + " is missing"
	}
	for name := range p.alone[1] {
		differences[name] = name + " is there in addition"
	}
	for _, name := range slices.Sorted(maps.Keys(p.differing)) {
		want, have := p.differing[name][0], p.differing[name][1]
		questions := want.questions(have)
		if len(questions) == 0 {
			differences[name] = name + " differs: " + postgres.FirstDifference(want.definition(), have.definition())
		}
		open = append(open, questions...)
	}
	return differences, open
}
