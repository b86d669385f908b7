package tablecopy

import (
	"strings"
	"time"

	"github.com/gitover/gitover/steps/postgres"
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
	// last is the work of kind building that one session does at the end, after everything else; it began at lastBegan, if it has.
	last      int64
	lastBegan time.Time
	// indexes of large tables that aren't built, by their OIDs: one takes one worker, however many are idle.
	indexes map[uint32]*pieceOfWork
}

// pieceOfWork can't be divided. It is ready once its table is copied.
type pieceOfWork struct {
	cost  int64
	ready bool
	// began: a worker builds it since then, if one does.
	began time.Time
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

// left is the time until all is done; false while nothing is known. halfCopied is the work of open spans of copying that is behind them. How far an index is that
// is being built isn't known while its rows are sorted: what is built counts, and what takes longer than that says it should.
func (e *estimator) left(halfCopied int64) (time.Duration, bool) {
	var busy, done [kinds]float64
	var allBusy, allDone float64
	for k := range e.kinds {
		busy[k], done[k] = e.kinds[k].busy.Seconds(), float64(e.kinds[k].done)
	}
	done[copying] = float64(min(e.kinds[copying].done+halfCopied, e.kinds[copying].work))
	for s := range e.open {
		if s.kind == copying {
			busy[copying] += time.Since(s.began).Seconds()
		}
	}
	for k := range e.kinds {
		allBusy, allDone = allBusy+busy[k], allDone+done[k]
	}
	if allDone <= 0 {
		return 0, false
	}
	pace := func(k kind, busy, done float64) float64 {
		guess := max(firstGuess*float64(e.kinds[k].work), 1)
		return (busy + guess*allBusy/allDone) / (done + guess)
	}
	build := pace(building, busy[building], done[building])
	late, lateWork, open := 0.0, 0.0, 0.0
	for s := range e.open {
		if took := time.Since(s.began).Seconds(); s.kind == building && took > float64(s.cost)*build {
			late, lateWork = late+took, lateWork+float64(s.cost)
		}
	}
	build = pace(building, busy[building]+late, done[building]+lateWork)
	seconds := (float64(e.kinds[copying].work) - done[copying]) * pace(copying, busy[copying], done[copying])
	copied := seconds / float64(max(e.jobs, 1))
	for s := range e.open {
		if s.kind == building {
			open += float64(s.cost)
			seconds += remaining(float64(s.cost)*build, s.began)
		}
	}
	seconds += max(float64(e.kinds[building].work)-done[building]-open, 0) * build
	last := float64(e.last) * build
	if !e.lastBegan.IsZero() {
		last = remaining(last, e.lastBegan)
	}
	seconds = max(seconds/float64(max(e.jobs, 1)), e.longest(copied, build)) + last
	return time.Duration(seconds * float64(time.Second)), true
}

// remaining seconds of what should take so many and began then: if it takes longer, the end is near.
func remaining(takes float64, began time.Time) float64 {
	return max(takes-time.Since(began).Seconds(), takes/20)
}

// longest of the indexes that are left, in seconds, if its table is copied after so many.
func (e *estimator) longest(copied, pace float64) (seconds float64) {
	for _, i := range e.indexes {
		takes := float64(i.cost) * pace
		switch {
		case !i.began.IsZero():
			takes = remaining(takes, i.began)
		case !i.ready:
			takes += copied
		}
		seconds = max(seconds, takes)
	}
	return seconds
}

// count what is to be built.
func (b *builder) count() {
	tables := map[uint32]*table{}
	for i := range b.tables {
		tables[b.tables[i].Source] = &b.tables[i]
	}
	g := b.progress
	for _, i := range b.all {
		t := tables[i.TableOID]
		if i.Partitioned || t == nil {
			continue
		}
		b.byTable[i.TableOID] = append(b.byTable[i.TableOID], i)
		if i.Create(b.there) != "" {
			g.now.Indexes++
			g.indexWork += indexCost(t, i)
			if t.Bytes >= indexes.SmallTable {
				g.left.indexes[i.OID] = &pieceOfWork{cost: indexCost(t, i)}
			}
		}
	}
	for i := range b.tables {
		g.left.kinds[building].work += b.costOf(&b.tables[i])
		if b.analyzedWithParent(&b.tables[i]) {
			g.left.last += statisticsCost(&b.tables[i])
		}
	}
	for _, k := range b.keys {
		if k.Validate(b.there) != "" {
			g.left.kinds[building].work += b.keyCost(k)
		}
	}
}

// analyzedWithParent: ANALYZE of a partitioned table, at the end, does the same to its partitions, from 14 on and before 18.
func (b *builder) analyzedWithParent(t *table) bool {
	return t.Partition && len(b.Tables) == 0 && b.version >= 14 && b.version < postgres.WithAnalyzeOnly
}

// costOf building all indexes of a table, and of its statistics.
func (b *builder) costOf(t *table) (cost int64) {
	for _, i := range b.byTable[t.Source] {
		cost += indexCost(t, i)
	}
	if t.Bytes < indexes.SmallTable {
		cost += tableCost
	}
	return cost + b.finishCost(t)
}

// indexCost is what building an index takes, as bytes that are copied in that time: reading the table, and sorting and writing what the index holds.
func indexCost(t *table, i indexes.Index) int64 {
	sorted := i.Bytes * 3 / 5
	if i.Collated {
		sorted = i.Bytes * 2
	}
	return max(t.heap()/8+sorted, 1)
}

// finishCost of a table: its statistics, unless they come with those of the table that it is a partition of.
func (b *builder) finishCost(t *table) int64 {
	if b.analyzedWithParent(t) {
		return 0
	}
	return statisticsCost(t)
}

// statisticsCost is that of ANALYZE: a sample of 30,000 rows, from as many pages, is read, and sorted by each column.
func statisticsCost(t *table) int64 {
	const sample, column = 30_000 * pageSize, 512 << 10
	return min(t.heap(), sample)/8 + int64(len(t.Columns))*min(column, t.heap()/16)
}

// keyCost of looking at each row, as a share of copying it.
func (b *builder) keyCost(k indexes.ForeignKey) int64 {
	plain := func(name string) string { return strings.ReplaceAll(name, `"`, "") } // one is quoted where it need not be
	for i := range b.tables {
		if plain(b.tables[i].Name) == plain(k.Table) {
			return b.tables[i].heap() / 4
		}
	}
	return 0
}
