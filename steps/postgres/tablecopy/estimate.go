package tablecopy

import (
	"strings"
	"time"

	"github.com/gitover/gitover/steps/postgres/indexes"
)

// kind of work, whose pace is measured apart from others'.
type kind int

const (
	copying kind = iota
	building
	kinds
)

// estimator tells how much time is left by what work of each kind has taken so far. Work is counted in bytes of the source's disk, see costOf and
// buildCost. It is used under the gauge's lock.
type estimator struct {
	jobs  int
	kinds [kinds]struct {
		// work of this run as a whole, and done.
		work, done int64
		// busy is the time that workers took for what is done.
		busy time.Duration
	}
	open map[*span]bool
	// indexes of large tables that aren't built, by their OIDs: one takes one worker, however many are idle.
	indexes map[uint32]*pieceOfWork
}

// pieceOfWork can't be divided. It is ready once its table is copied.
type pieceOfWork struct {
	cost  int64
	ready bool
}

// span is the time in which a worker does some work.
type span struct {
	kind  kind
	cost  int64
	began time.Time
}

func (e *estimator) begin(k kind, cost int64) *span {
	s := &span{k, cost, time.Now()}
	e.open[s] = true
	return s
}

// end of a span: done, or in vain, so that the time counts but not the work.
func (e *estimator) end(s *span, done bool) {
	if !e.open[s] {
		return
	}
	delete(e.open, s)
	k := &e.kinds[s.kind]
	k.busy += time.Since(s.began)
	if done {
		k.done = min(k.done+s.cost, k.work)
	}
}

// firstGuess of what other kinds take, as a share of a kind's work: that much of it is taken to have been done already, at the pace of the others.
const firstGuess = 0.05

// left is the time until all is done; false while nothing is known. halfDone is the work of open spans, by kind, that is behind them.
func (e *estimator) left(halfDone [kinds]int64) (time.Duration, bool) {
	var busy, done [kinds]float64
	var allBusy, allDone, seconds float64
	for k := range e.kinds {
		busy[k], done[k] = e.kinds[k].busy.Seconds(), float64(min(e.kinds[k].done+halfDone[k], e.kinds[k].work))
	}
	for s := range e.open {
		busy[s.kind] += time.Since(s.began).Seconds()
	}
	for k := range e.kinds {
		allBusy, allDone = allBusy+busy[k], allDone+done[k]
	}
	if allDone <= 0 {
		return 0, false
	}
	var pace, each [kinds]float64
	for k := range e.kinds {
		work := float64(e.kinds[k].work)
		guess := max(firstGuess*work, 1)
		pace[k] = (busy[k] + guess*allBusy/allDone) / (done[k] + guess)
		each[k] = (work - done[k]) * pace[k]
		seconds += each[k]
	}
	jobs := float64(max(e.jobs, 1))
	seconds = max(seconds/jobs, e.longest(each[copying]/jobs, pace[building], float64(halfDone[building])))
	return time.Duration(seconds * float64(time.Second)), true
}

// longest of the indexes that are left, in seconds, if its table is copied after so many; of the only one that is being built a part is done.
func (e *estimator) longest(copied, pace, halfDone float64) (seconds float64) {
	building, alone := 0, halfDone
	for s := range e.open {
		if s.kind != copying {
			building++
		}
	}
	if building > 1 {
		alone = 0
	}
	for _, i := range e.indexes {
		takes := float64(i.cost) * pace
		if i.ready {
			takes -= alone * pace
		} else {
			takes += copied
		}
		seconds = max(seconds, takes)
	}
	return seconds
}

// costOf building all indexes of a table, and of its statistics.
func (b *builder) costOf(t *table) int64 {
	each := t.Bytes / indexShare
	if t.Bytes < indexes.SmallTable {
		return tableCost + each*int64(len(b.byTable[t.Source]))
	}
	return each*int64(len(b.byTable[t.Source])) + finishCost(t)
}

// finishCost of a large table: constraints, and statistics by a sample of its pages.
func finishCost(t *table) int64 { return min(t.Bytes/indexShare/10, 32<<20) }

// keyCost of looking at each row, as a share of copying it.
func (b *builder) keyCost(k indexes.ForeignKey) int64 {
	plain := func(name string) string { return strings.ReplaceAll(name, `"`, "") } // one is quoted where it need not be
	for i := range b.tables {
		if plain(b.tables[i].Name) == plain(k.Table) {
			return b.tables[i].Bytes / 4
		}
	}
	return 0
}
