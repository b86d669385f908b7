package tablecopy

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// described is a table as the catalog of one side has it (sql/tables.sql).
type described struct {
	OID            uint32
	Schema, Name   string
	Bytes, Pages   int64
	File           int64
	Heap           bool
	Columns, Types []string
	Texts          []string
	Referenced     bool
	Extension      bool
	Partition      bool
	// left: it isn't to be copied.
	left bool
}

func (d described) quoted() string { return postgres.Ident(d.Schema, d.Name) }

// table is one that is copied.
type table struct {
	// Source and Target are its OIDs.
	Source, Target uint32
	// Name on either side, quoted.
	Name string
	// Columns in the source's order, quoted.
	Columns []string
	// Bytes on the source's disk with TOAST, Pages of them in the heap; File holds these at the moment that is copied.
	Bytes, Pages, File int64
	Heap               bool
	// Text says why rows travel as text; empty if they travel in the binary form.
	Text string
	// Emptied: the target may truncate it, since no other table refers to it yet.
	Emptied bool
	// Extension: an extension of the target may have filled it.
	Extension bool
	// Partition of a table of the target.
	Partition bool
	// Left: its rows aren't copied, only its indexes are built.
	Left bool
}

// heap is how many bytes are read for an index or for statistics: not those of TOAST.
func (t table) heap() int64 { return min(t.Pages*pageSize, t.Bytes) }

// pageSize of nearly all servers.
const pageSize = 8 << 10

func (t table) columns() string { return strings.Join(t.Columns, ", ") }

func (t table) format() string {
	if t.Text != "" {
		return "text"
	}
	return "binary"
}

// describe the tables of a session's database. Reads only.
func describe(ctx context.Context, conn *pgx.Conn) ([]described, error) {
	rows, err := conn.Query(ctx, query("tables"), postgres.Schema)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d described, err error) {
		err = row.Scan(&d.OID, &d.Schema, &d.Name, &d.Bytes, &d.Pages, &d.File, &d.Heap, &d.Columns, &d.Types, &d.Texts, &d.Referenced, &d.Extension, &d.Partition)
		return d, err
	})
}

// chosen says whether patterns name a table: "schema.table", or "table" for public, with * and ? as in file names; all if there are none.
func chosen(d described, patterns []string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		if !strings.Contains(p, ".") {
			p = "public." + p
		}
		matched, err := path.Match(p, d.Schema+"."+d.Name)
		return err == nil && matched
	})
}

// pair the tables of both sides.
func pair(source, target []described, patterns []string) ([]table, error) {
	there := map[string]described{}
	for _, d := range target {
		there[d.quoted()] = d
	}
	var all []table
	var missing []string
	for _, s := range source {
		if !chosen(s, patterns) {
			continue
		}
		d, found := there[s.quoted()]
		if !found && s.left {
			continue
		}
		if !found {
			missing = append(missing, s.quoted())
			continue
		}
		t, err := match(s, d)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	switch {
	case len(missing) > 0:
		return nil, fmt.Errorf("%w: the target has no table %s: copy the schema first, without indexes and foreign keys (pg_dump --section=pre-data)", errSchemas, some(missing))
	case len(all) == 0 && len(patterns) > 0:
		return nil, fmt.Errorf("no table of the source matches %s", strings.Join(patterns, ", "))
	}
	return all, nil
}

// match a table with its like on the target.
func match(s, d described) (table, error) {
	t := table{Source: s.OID, Target: d.OID, Name: s.quoted(), Columns: s.Columns, Bytes: s.Bytes, Pages: s.Pages, File: s.File, Heap: s.Heap,
		Emptied: !d.Referenced, Extension: d.Extension, Partition: d.Partition, Left: s.left}
	for i, column := range s.Columns {
		at := slices.Index(d.Columns, column)
		switch {
		case at < 0:
			return t, fmt.Errorf("%w: table %s of the target has no column %s that can be written", errSchemas, t.Name, column)
		case d.Types[at] != s.Types[i] && t.Text == "":
			t.Text = fmt.Sprintf("column %s is %s there, %s here", column, d.Types[at], s.Types[i])
		}
	}
	if texts := append(slices.Clone(s.Texts), d.Texts...); t.Text == "" && len(texts) > 0 {
		t.Text = "the binary form may differ: " + some(slices.Compact(slices.Sorted(slices.Values(texts))))
	}
	return t, nil
}

// some of many names.
func some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// errSchemas: the tables of both sides don't fit each other.
var errSchemas = errors.New("the tables differ")

// Final says whether another attempt ends with the same error, unless people change something.
func Final(err error) bool {
	for _, final := range []error{errSchemas, errNotEmpty, errSlotGone} {
		if errors.Is(err, final) {
			return true
		}
	}
	// the mark of another run of the same copy passes
	return postgres.DataRefused(err) && !strings.Contains(err.Error(), taken)
}

// errNotEmpty is the refusal to write to tables that have rows of others.
var errNotEmpty = errors.New("gitover copy fills empty tables only")
