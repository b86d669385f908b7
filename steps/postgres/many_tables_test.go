package postgres_test

import (
	"fmt"
	"os"
	"testing"
	"time"

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
