package postgres_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/test/pg"
)

// plentyOfTables, of a middling kind; each tenth has a condition and a view that other versions print otherwise. Locks of
// one transaction are few.
func plentyOfTables(s *pg.Server, tables int, condition string) {
	s.Exec("", "CREATE DATABASE orders")
	for first := 0; first < tables; first += 100 {
		s.Exec("orders", fmt.Sprintf(`DO $do$ BEGIN FOR i IN %d..%d LOOP
			EXECUTE format('CREATE TABLE t%%s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int NOT NULL, b text DEFAULT 1, c int CHECK (c > 0), d int, at timestamptz DEFAULT now(), s varchar(20), UNIQUE (a, c))', i);
			EXECUTE format('CREATE INDEX ON t%%s (lower(s)) WHERE d > 0', i);
			IF i %% 10 = 0 THEN
				EXECUTE format('ALTER TABLE t%%s ADD CONSTRAINT known CHECK (%s)', i);
				EXECUTE format('CREATE VIEW v%%1$s AS SELECT id, a FROM t%%1$s WHERE s IS NOT NULL', i);
			END IF; END LOOP; END $do$`, first, first+99, condition))
	}
}

// TestManyTablesAreCompared, and again when nothing has changed and when something has; how long that takes is told, of
// GITOVER_TABLES tables.
func TestManyTablesAreCompared(t *testing.T) {
	tables := 200
	if n := os.Getenv("GITOVER_TABLES"); n != "" {
		_, err := fmt.Sscan(n, &tables)
		must(t, err)
	}
	blue, green := pg.Start(t, 15, nil), pg.Start(t, 17, nil)
	plentyOfTables(blue, tables, "s IN (''new'', ''paid'')")
	plentyOfTables(green, tables, "s::text = ANY (ARRAY[(''new''::varchar)::text, (''paid''::varchar)::text])")
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
