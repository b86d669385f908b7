package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/time/rate"

	"github.com/gitover/gitover/steps/postgres"
)

// Options bound a comparison; zero values mean the defaults.
type Options struct {
	// CountsOnly compares only the number of rows.
	CountsOnly bool
	// SamplePercent of the rows of large tables are compared; all if 0.
	SamplePercent int32
	// Standby of blue, if set, is where blue's rows are read first; blue itself is read only where they differ.
	Standby *postgres.Server
	// Pace, if set, bounds how many rows are read of each side in a second.
	Pace *rate.Limiter
	// Patience is how long green may take to show what blue has committed; two minutes.
	Patience time.Duration
	// Rounds is how often rows that changed meanwhile are looked at again; five.
	Rounds int
	// BytesAtOnce: a table is cut into slices of this size or up to twice as much, none of fewer than 50,000 rows; 256 MiB.
	BytesAtOnce int64
	// RowsAtOnce bounds the memory that single rows take, about 300 bytes each; 50,000.
	RowsAtOnce int64
	// From is where to begin; the zero value is the first table.
	From Place
	// Progress, if set, is called with the place and the results of everything before it, each time the place moves
	// on. It is called by one goroutine at a time.
	Progress func(found Report, next Place)
}

// Place is the progress of a comparison: tables that sort before it are done, and in its table the rows whose
// leading key is less than Bound.
type Place struct{ Schema, Table, Bound string }

// after says that the place comes after a table, which then is done.
func (p Place) after(t verifiedTable) bool {
	return cmp.Or(cmp.Compare(t.Schema, p.Schema), cmp.Compare(t.Table, p.Table)) < 0
}

// Report is the result of a comparison.
type Report struct {
	// Tables and Rows that were compared, as counted on blue.
	Tables int
	Rows   int64
	// Sampled is the number of tables of which only a part of the rows was compared.
	Sampled int
	// OnStandby is how many of these rows were read on a standby instead of blue.
	OnStandby int64
	// InFlight rows changed on blue each time they were compared: nothing is known about them.
	InFlight int
	// Mismatches are real differences, in sentences: a row that stayed the same on blue is
	// different on green.
	Mismatches []string
}

// Compare compares every replicated table of database while applications write. A row that is the
// same on blue before and after it is read on green, with a marker in between that green
// has applied, must be the same on green; anything else is read again. Needs the marker
// table on both sides. Reads only, but for markers.
func Compare(ctx context.Context, blue, green postgres.Server, database string, o Options) (Report, error) {
	o.Patience = cmp.Or(o.Patience, 2*time.Minute)
	o.Rounds = cmp.Or(o.Rounds, 5)
	o.BytesAtOnce = cmp.Or(o.BytesAtOnce, 256<<20)
	o.RowsAtOnce = cmp.Or(o.RowsAtOnce, 50_000)
	if err := sameCluster(ctx, blue, o.Standby); err != nil {
		return Report{}, err
	}
	var work []verifiedTable
	err := postgres.WithSession(ctx, blue, database, func(conn *pgx.Conn) error {
		tables, err := verifiedTables(ctx, conn)
		if err != nil {
			return err
		}
		for _, t := range tables {
			if o.From.after(t) {
				continue
			}
			from := ""
			if t.Schema == o.From.Schema && t.Table == o.From.Table {
				from = o.From.Bound
			}
			slices, err := t.slices(ctx, conn, t.sliceCount(o), from)
			if err != nil {
				return err
			}
			work = append(work, sampled(slices, o.SamplePercent)...)
		}
		return nil
	})
	var report Report
	if err == nil {
		report, err = compareAll(ctx, blue, green, database, o, work)
	}
	if err != nil {
		return Report{}, fmt.Errorf("compare database %q of %s and %s: %w", database, blue.Instance, green.Instance, err)
	}
	return report, nil
}

// verifiedTables in the order in which they are compared.
func verifiedTables(ctx context.Context, conn *pgx.Conn) ([]verifiedTable, error) {
	tables, err := postgres.Collect[verifiedTable](ctx, conn, query("verified_tables"), postgres.Schema)
	// not by the server, whose collation may be another after a restart
	slices.SortFunc(tables, func(a, b verifiedTable) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Table, b.Table))
	})
	return tables, err
}

// ExpectedRows is the number of rows of a database that are compared, by the planner's statistics; of large tables the
// percentage of a sample, all if it is 0. Reads only.
func ExpectedRows(ctx context.Context, s postgres.Server, database string, samplePercent int32) (rows int64, err error) {
	err = postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		tables, err := verifiedTables(ctx, conn)
		for _, t := range tables {
			rows += t.expected(samplePercent)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("rows of database %q on %s: %w", database, s.Instance, err)
	}
	return rows, nil
}
