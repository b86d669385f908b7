package tablecopy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gitover/gitover/steps/postgres"
)

const (
	// defaultPartBytes is the least size of a part of a table, as a default.
	defaultPartBytes = 32 << 20
	// smallTable goes into a batch with others. It is filled as it is; a larger one gets a new file, in which COPY writes rows that are frozen
	// from the start. A new file takes longer than so few rows.
	smallTable = 1 << 20
	// batchBytes and batchTables end a batch. A batch locks its tables, and a server has room for 64 locks a connection by default.
	batchBytes  = 8 << 20
	batchTables = 64
	// tableCost is what a table costs beside its rows, in bytes.
	tableCost = 64 << 10
	// withTIDRanges reads a part of a heap without reading the rest.
	withTIDRanges = 14
)

// part is a range of a table's pages, or the whole table.
type part struct {
	*table
	// Number of Parts, from 0.
	Number, Parts int
	// First page, and the page after the last one; -1: to the end.
	First, End int64
}

// sliced: it is one of several.
func (p part) sliced() bool { return p.Parts > 1 }

// id as the record on the target has it.
func (p part) id() string { return fmt.Sprintf("%d/%d", p.Target, p.Number) }

// bytes of a table, divided by its parts.
func (p part) bytes() int64 { return p.Bytes / int64(p.Parts) }

// planned is all work, in the order in which it begins.
type planned struct {
	// Batches are read and written in a transaction each. A part of a table is alone in its batch.
	Batches [][]part
}

// planOf tables for so many workers. A table that would keep one worker busy while the others are done is divided into parts of at least
// partBytes. Small tables go together. What takes longest begins first.
func planOf(tables []table, jobs int, sourceVersion int, partBytes int64) planned {
	var total int64
	for _, t := range tables {
		total += t.Bytes
	}
	var p planned
	var small []part
	for i := range tables {
		t := &tables[i]
		if t.Bytes < smallTable {
			small = append(small, part{table: t, Parts: 1, End: -1})
			continue
		}
		parts := partsOf(t, total, jobs, sourceVersion, partBytes)
		for n := range parts {
			p.Batches = append(p.Batches, []part{{table: t, Number: int(n), Parts: int(parts), First: t.Pages * n / parts, End: end(t.Pages, n, parts)}})
		}
	}
	p.Batches = append(p.Batches, batches(small)...)
	slices.SortStableFunc(p.Batches, func(a, b []part) int { return cmp.Compare(costOf(b), costOf(a)) })
	return p
}

// partsOf a table: one, unless it is so large that others wait for it.
func partsOf(t *table, total int64, jobs, sourceVersion int, partBytes int64) int64 {
	if jobs < 2 || sourceVersion < withTIDRanges || !t.Heap || t.Bytes < 2*partBytes || t.Bytes <= total/int64(2*jobs) {
		return 1
	}
	each := max(partBytes, total/int64(4*jobs))
	return min(max(t.Bytes/each, 1), max(t.Pages, 1))
}

// end of the n-th part: the page before which it ends; pages that come later belong to the last one.
func end(pages, n, parts int64) int64 {
	if n == parts-1 {
		return -1
	}
	return pages * (n + 1) / parts
}

// batches of small tables.
func batches(small []part) (all [][]part) {
	var now []part
	var bytes int64
	for _, p := range small {
		if len(now) == batchTables || len(now) > 0 && bytes+p.Bytes > batchBytes {
			all, now, bytes = append(all, now), nil, 0
		}
		now, bytes = append(now, p), bytes+p.Bytes
	}
	if len(now) > 0 {
		all = append(all, now)
	}
	return all
}

func costOf(batch []part) (cost int64) {
	for _, p := range batch {
		cost += p.bytes() + tableCost
	}
	return cost
}

// describePlan in lines for people: how each table travels, and why.
func describePlan(p planned) (lines []string) {
	seen := map[*table]bool{}
	for _, batch := range p.Batches {
		for _, t := range batch {
			if seen[t.table] {
				continue
			}
			seen[t.table] = true
			line := t.Name + ": " + postgres.HumanBytes(t.Bytes) + ", " + t.format()
			if t.Text != "" {
				line += " (" + t.Text + ")"
			}
			if t.sliced() {
				line += ", in " + plural(t.Parts, "part")
			}
			lines = append(lines, line)
		}
	}
	return lines
}
