package tablecopy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/tablecopy"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

const indexed = `
CREATE SCHEMA "Other one";
CREATE FUNCTION "Other one".low(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';
CREATE EXTENSION btree_gist;
CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL, span int4range, n int, UNIQUE (email, n) DEFERRABLE INITIALLY DEFERRED, EXCLUDE USING gist (span WITH &&));
CREATE INDEX "Odd name" ON customers ("Other one".low(email) DESC NULLS LAST, n) INCLUDE (span) WHERE n > 5; ALTER INDEX "Odd name" ALTER COLUMN 1 SET STATISTICS 500;
CREATE UNIQUE INDEX ident ON customers (n, id) WITH (fillfactor = 60); ALTER TABLE customers CLUSTER ON ident;
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer bigint NOT NULL REFERENCES customers, parent bigint REFERENCES orders, t text); CREATE INDEX ON orders USING gin (to_tsvector('simple', t)); CREATE INDEX ON orders (customer);
ALTER TABLE orders ADD CONSTRAINT unproved FOREIGN KEY (parent) REFERENCES orders NOT VALID;
CREATE TABLE noted (a int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX noted_ab ON noted (a, b); ALTER TABLE noted REPLICA IDENTITY USING INDEX noted_ab;
CREATE TABLE regions (code text, id int, v int, PRIMARY KEY (code, id), UNIQUE (id, code)) PARTITION BY LIST (code);
CREATE TABLE regions_eu PARTITION OF regions FOR VALUES IN ('de', 'fr') PARTITION BY HASH (id); CREATE TABLE regions_eu_0 PARTITION OF regions_eu FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE regions_eu_1 PARTITION OF regions_eu FOR VALUES WITH (MODULUS 2, REMAINDER 1); CREATE TABLE regions_rest PARTITION OF regions DEFAULT; CREATE INDEX ON regions (v); CREATE INDEX own ON regions_rest (v, id);
CREATE TABLE visits (region text, id int, v int PRIMARY KEY, FOREIGN KEY (region, id) REFERENCES regions ON DELETE CASCADE DEFERRABLE);
INSERT INTO customers SELECT g, 'Name' || g || '@x', int4range(g * 2, g * 2 + 1), g % 100 FROM generate_series(1, 20000) g;
INSERT INTO orders (customer, t) SELECT g % 20000 + 1, 'text ' || g FROM generate_series(1, 30000) g; UPDATE orders SET parent = id - 1 WHERE id > 1;
INSERT INTO noted SELECT g, g FROM generate_series(1, 10) g;
INSERT INTO regions SELECT CASE WHEN g % 3 = 0 THEN 'de' ELSE 'us' END, g, g FROM generate_series(1, 3000) g; INSERT INTO visits SELECT 'de', 3, g FROM generate_series(1, 100) g;`

// bare has a target with the tables alone.
func bare(t *testing.T, from, to int, content string) (blue, green *pg.Server) {
	t.Helper()
	blue, green = pg.Start(t, from, pg.Logical), pg.Start(t, to, pg.Logical)
	blue.Exec("", "CREATE DATABASE "+database)
	blue.Exec(database, content)
	green.Exec("", "CREATE DATABASE "+database)
	// a note of late minor versions, which only their own pg_dump leaves out
	blue.Exec(database, "UPDATE pg_attribute SET attoptions = NULL WHERE attoptions::text ~ 'pg_attver'")
	dump := pg.Output(t, max(from, to), nil, pg.Environ(blue.Server, database), "pg_dump", "--section=pre-data")
	dump = strings.ReplaceAll(dump, "SET transaction_timeout = 0;\n", "")
	pg.Output(t, max(from, to), strings.NewReader(dump), pg.Environ(green.Server, database), "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null")
	return blue, green
}

func TestIndexesAndForeignKeysAreBuiltAsTablesFinish(t *testing.T) {
	for _, versions := range [][2]int{{13, 18}, {15, 17}, {18, 15}} {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			blue, green := bare(t, versions[0], versions[1], indexed)
			o := options(blue, green)
			o.Indexes = true
			report := copies(t, o)
			sameRows(t, blue, green)
			drift, err := schema.Compare(t.Context(), blue.Server, green.Server, database, schema.Whole)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range drift.Differences {
				t.Errorf("%s", d)
			}
			if report.Indexes < 12 || report.IndexesBuilt != report.Indexes || report.SecondsLeft != 0 {
				t.Errorf("%+v", report)
			}
			if n := green.Query(database, "SELECT count(*) FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND NOT EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = c.oid) AND relname NOT IN ('regions_eu_1')"); n != "0" {
				t.Errorf("%s tables have no statistics", n)
			}
			if n := green.Query(database, "SELECT count(*) FROM pg_class c WHERE relkind = 'p' AND relnamespace = 'public'::regnamespace AND NOT relispartition AND NOT EXISTS (SELECT FROM pg_statistic s WHERE s.starelid = c.oid AND s.stainherit)"); n != "0" {
				t.Errorf("%s partitioned tables have no statistics", n)
			}
			if done, missing, err := transfer.Analyzed(t.Context(), green.Server, database); !done || err != nil {
				t.Errorf("%d tables would be analyzed again, %v", missing, err)
			}
		})
	}
}

func TestARowThatNoIndexTakesEndsTheCopyWithTheIndexesName(t *testing.T) {
	blue, green := bare(t, 15, 17, `CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT g, 'x' FROM generate_series(1, 10) g`)
	blue.Exec(database, "SET session_replication_role = replica; UPDATE pg_index SET indisunique = false, indisready = false WHERE indrelid = 'a'::regclass")
	blue.Exec(database, "INSERT INTO a VALUES (1, 'y')")
	blue.Exec(database, "UPDATE pg_index SET indisunique = true, indisready = true WHERE indrelid = 'a'::regclass")
	o := options(blue, green)
	o.Indexes = true
	_, err := tablecopy.Copy(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "a_pkey") {
		t.Errorf("%v", err)
	}
}
