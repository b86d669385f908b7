package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Report is the comparison of the clients' book with the databases.
type Report struct {
	// Transactions by what the clients were told.
	Transactions map[string]int
	// Acknowledged writes: rows inserted, rows deleted, increments.
	Acknowledged int
	// Found of them.
	Found int
	// Missing of them.
	Missing int
	// Doubled: rows or increments beyond what anybody wrote.
	Doubled int
	// Ghosts: writes that are there though refused, or that nobody made.
	Ghosts int
	// Torn transactions, of which only a part is there.
	Torn int
	// Reused values of sequences.
	Reused int
	// Stale reads.
	Stale int
	// SplitBrain counts times at which a server accepted rows out of its turn.
	SplitBrain int
	// Turns that the servers took, from their own records.
	Turns []Turn
	// Problems in words, the first of them.
	Problems []string
}

const maxProblems = 40

// OK: nothing was lost, doubled, or seen that should not be.
func (r Report) OK() bool {
	return r.Missing+r.Doubled+r.Ghosts+r.Torn+r.Reused+r.Stale+r.SplitBrain == 0
}

func (r *Report) problem(count *int, format string, args ...any) {
	*count++
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Options of a check.
type Options struct {
	// Switches that are known to have happened; negative means unknown.
	Switches int
	// Accepted commits of clients, from the WAL of every server, and the switches in
	// between; without both the rows alone must tell of a split brain.
	Accepted  []Accepted
	Handovers []Handover
}

// Check compares the history of all clients with the state of each database. The
// history must be complete, and the databases at rest.
func Check(history []Transaction, states map[string]State, options Options) Report {
	report := Report{Transactions: map[string]int{}}
	perDatabase := map[string][]Transaction{}
	for _, t := range history {
		report.Transactions[t.Outcome.String()]++
		perDatabase[t.Database] = append(perDatabase[t.Database], t)
	}
	for database, transactions := range perDatabase {
		if _, ok := states[database]; !ok {
			report.problem(&report.Missing, "%s: written to, but not read", database)
		}
		slices.SortStableFunc(transactions, func(a, b Transaction) int { return a.Start.Compare(b.Start) })
	}
	for database, state := range states {
		check := check{report: &report, database: database, state: state, history: perDatabase[database]}
		check.rows()
		check.sums()
		check.tears()
		check.sequences()
		check.sessions()
		check.growth()
		check.turns(options.Switches)
	}
	report.Turns = Turns(options.Accepted)
	for _, problem := range SplitBrains(options.Accepted, options.Handovers) {
		report.problem(&report.SplitBrain, "%s", problem)
	}
	slices.Sort(report.Problems)
	return report
}

// check of one database.
type check struct {
	report   *Report
	database string
	state    State
	history  []Transaction
}

// object is a row by its table and key.
type object struct {
	table string
	key   int64
}

// fate of a row, from all that was done to it.
type fate struct {
	inserted, deleted             map[Outcome]int
	acknowledgedSum               int64
	unknownBelow, unknownAbove    int64
	acknowledgedAdds, unknownAdds int
}

func (c *check) fates() map[object]*fate {
	fates := map[object]*fate{}
	for _, t := range c.history {
		for _, e := range t.Effects {
			if e.Kind != Insert && e.Kind != Delete && e.Kind != Add {
				continue
			}
			key := object{e.Table, e.Key}
			if fates[key] == nil {
				fates[key] = &fate{inserted: map[Outcome]int{}, deleted: map[Outcome]int{}}
			}
			fates[key].suffer(t.Outcome, e)
		}
	}
	return fates
}

func (f *fate) suffer(outcome Outcome, e Effect) {
	switch e.Kind {
	case Insert:
		f.inserted[outcome]++
	case Delete:
		f.deleted[outcome]++
	case Add:
		switch outcome {
		case Acknowledged:
			f.acknowledgedAdds++
			f.acknowledgedSum += e.Value
		case Unknown:
			f.unknownAdds++
			f.unknownBelow += min(e.Value, 0)
			f.unknownAbove += max(e.Value, 0)
		}
	}
}

// rows: each acknowledged row once, each refused one never, unknown ones at most once.
func (c *check) rows() {
	fates := c.fates()
	for row, f := range fates {
		if len(f.inserted) > 0 {
			c.row(row, f)
		}
	}
	nameless := c.nameless()
	for _, table := range []string{Entries, Journal, Tickets} {
		for key, count := range c.state.Rows[table] {
			if f := fates[object{table, key}]; f == nil || len(f.inserted) == 0 {
				if client := c.state.Sums[Tickets][key]; table == Tickets && count == 1 && nameless[client] > 0 {
					nameless[client]--
					continue
				}
				c.report.problem(&c.report.Ghosts, "%s: %s %d is there %d times, and no client wrote it", c.database, table, key, count)
			}
		}
	}
	for _, t := range c.history {
		if t.Miscounted {
			c.report.problem(&c.report.Missing, "%s: client %d, %s at %s: %s", c.database, t.Client, t.Name, t.Start.Format("15:04:05.000"), t.Error)
		}
	}
}

// nameless counts, for each client, tickets that may be there without it knowing their
// numbers: the server draws a number, and its answer was lost.
func (c *check) nameless() map[int64]int {
	counts := map[int64]int{}
	for _, t := range c.history {
		if t.Outcome == Unknown && t.Name == ticket && len(t.Effects) == 0 {
			counts[int64(t.Client)]++
		}
	}
	return counts
}

func (c *check) row(row object, f *fate) {
	count := c.state.Rows[row.table][row.key]
	least, most := f.inserted[Acknowledged], f.inserted[Acknowledged]+f.inserted[Unknown]
	if f.deleted[Acknowledged] > 0 {
		least, most = 0, 0
	} else if f.deleted[Unknown] > 0 {
		least = 0
	}
	c.report.Acknowledged += f.inserted[Acknowledged] + f.deleted[Acknowledged]
	switch {
	case count < least:
		c.report.problem(&c.report.Missing, "%s: %s %d was acknowledged and is not there", c.database, row.table, row.key)
	case count > most && count > 1:
		c.report.Found += f.inserted[Acknowledged] + f.deleted[Acknowledged]
		c.report.problem(&c.report.Doubled, "%s: %s %d is there %d times", c.database, row.table, row.key, count)
	case count > most && f.deleted[Acknowledged] > 0:
		c.report.Found += f.inserted[Acknowledged]
		c.report.problem(&c.report.Missing, "%s: %s %d was deleted, acknowledged, and is there again", c.database, row.table, row.key)
	case count > most:
		c.report.problem(&c.report.Ghosts, "%s: %s %d was refused and is there%s", c.database, row.table, row.key, c.told(row))
	default:
		c.report.Found += f.inserted[Acknowledged] + f.deleted[Acknowledged]
	}
}

// told lists what clients were told of the transactions that touched a row.
func (c *check) told(row object) string {
	var lines strings.Builder
	for _, t := range c.history {
		if slices.ContainsFunc(t.Effects, func(e Effect) bool { return object{e.Table, e.Key} == row }) {
			fmt.Fprintf(&lines, "; client %d, %s from %s to %s, %s: %s", t.Client, t.Name,
				t.Start.Format("15:04:05.000"), t.End.Format("15:04:05.000"), t.Outcome, cmp.Or(t.Error, "no error"))
		}
	}
	return lines.String()
}

// sums: counters and touches equal what was acknowledged, give or take the unknown.
func (c *check) sums() {
	for row, f := range c.fates() {
		if f.acknowledgedAdds+f.unknownAdds == 0 || (row.table != Counters && f.deleted[Acknowledged]+f.deleted[Unknown] > 0) {
			continue
		}
		sum := c.state.Sums[row.table][row.key]
		c.report.Acknowledged += f.acknowledgedAdds
		switch {
		case sum < f.acknowledgedSum+f.unknownBelow:
			c.report.problem(&c.report.Missing, "%s: %s %d is %d, at least %d was acknowledged", c.database, row.table, row.key, sum, f.acknowledgedSum+f.unknownBelow)
		case sum > f.acknowledgedSum+f.unknownAbove:
			c.report.Found += f.acknowledgedAdds
			c.report.problem(&c.report.Doubled, "%s: %s %d is %d, at most %d was written", c.database, row.table, row.key, sum, f.acknowledgedSum+f.unknownAbove)
		default:
			c.report.Found += f.acknowledgedAdds
		}
	}
}
