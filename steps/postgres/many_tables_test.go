package postgres_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/test/pg"
)

// TestManyTablesAreCompared, and again when nothing has changed and when something has; how long that takes is told, of
// GITOVER_TABLES tables.
func TestManyTablesAreCompared(t *testing.T) {
	tables := 200
	if n := os.Getenv("GITOVER_TABLES"); n != "" {
		_, err := fmt.Sscan(n, &tables)
		must(t, err)
	}
	blue, green := pg.Start(t, 15, nil), pg.Start(t, 17, nil)
	pg.ManyTables(blue, tables, "s IN (''new'', ''paid'')")
	pg.ManyTables(green, tables, "s::text = ANY (ARRAY[(''new''::varchar)::text, (''paid''::varchar)::text])")
	compare := func(what string, differences int) {
		t.Helper()
		begun := time.Now()
		drift, err := schema.Compare(t.Context(), blue.Server, green.Server, "orders", schema.Whole)
		must(t, err)
		t.Logf("%d objects of %d tables, %s: %s", drift.Objects, tables, what, time.Since(begun).Round(time.Millisecond))
		if len(drift.Differences) != differences {
			t.Errorf("%s: %q", what, drift.Differences)
		}
	}
	compare("the first time", 0)
	compare("unchanged", 0)
	blue.Exec("orders", "ALTER TABLE t0 ADD CHECK (d > 3)")
	compare("changed", 1)
	green.Exec("orders", "ALTER TABLE t0 ADD CHECK (3 < d)")
	compare("changed otherwise on the other side", 1)
}

// manyTables have a key, TOAST and a sequence each.
const manyTables = `DO $$ BEGIN FOR i IN 1..1500 LOOP
	EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, words text)', i); END LOOP; END $$`

// roomy: making so many tables at once needs room as well.
var roomy = pg.Settings{"wal_level": "logical", "max_locks_per_transaction": "1000", "max_connections": "20"}

func lockFindings(t *testing.T, blue, green *pg.Server, databases ...string) []preflight.Finding {
	t.Helper()
	findings, err := preflight.Check(t.Context(), blue.Server, request(green.Major, databases...))
	must(t, err)
	pair, err := preflight.CheckPair(t.Context(), blue.Server, green.Server, request(green.Major, databases...))
	must(t, err)
	return append(findings, pair...)
}

func TestALockTableThatIsTooSmallForTheSchemaBlocksOnBothSides(t *testing.T) {
	blue, green := pg.Start(t, 15, roomy), pg.Start(t, 17, pg.Logical)
	for _, database := range []string{"d", "e"} {
		blue.Exec("", "CREATE DATABASE "+database)
	}
	blue.Exec("d", manyTables)
	blue.Exec("e", manyTables)
	unblocked(t, blue, green, "lock_table")
	f := found(t, lockFindings(t, blue, green, "d", "e"), "green_lock_table", "max_locks_per_transaction")
	// Two databases, 1,500 tables, with TOAST and its index, a key and a sequence: 15,000, twice, over 60.
	if !f.Blocks() || !strings.Contains(f.Why, "15000 locks") || !strings.Contains(f.Fix, "max_locks_per_transaction = 500") {
		t.Errorf("green: %+v", f)
	}

	blue.Exec("", "ALTER SYSTEM SET max_locks_per_transaction = 64")
	blue.Stop()
	blue.Run()
	f = found(t, lockFindings(t, blue, green, "d", "e"), "lock_table", "max_locks_per_transaction")
	// 3,000 tables, twice, over 20 connections.
	if !f.Blocks() || !strings.Contains(f.Fix, "max_locks_per_transaction = 300;") {
		t.Errorf("blue: %+v", f)
	}

	green.Exec("", "ALTER SYSTEM SET max_locks_per_transaction = 500")
	blue.Exec("", "ALTER SYSTEM SET max_locks_per_transaction = 300")
	for _, s := range []*pg.Server{blue, green} {
		s.Stop()
		s.Run()
	}
	unblocked(t, blue, green, "lock_table")
	unblocked(t, blue, green, "green_lock_table")
	if !pg.Full {
		return
	}
	prepare(t, green)
	green.Exec("", "CREATE DATABASE d")
	pg.CopySchema(t, copy.PreData, blue, green, "d")
	pg.CopySchema(t, copy.PostData, blue, green, "d")
}

// unblocked fails where there is a finding of the rule.
func unblocked(t *testing.T, blue, green *pg.Server, rule string) {
	t.Helper()
	for _, f := range lockFindings(t, blue, green, "d", "e") {
		if f.Name == rule {
			t.Errorf("without need: %+v", f)
		}
	}
}
