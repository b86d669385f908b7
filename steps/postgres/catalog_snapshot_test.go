package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/test/pg"
)

func countedServer(t *testing.T, major int) *pg.Server {
	t.Helper()
	server := pg.Start(t, major, nil)
	server.Exec("", "CREATE ROLE app LOGIN")
	server.Exec("", "CREATE DATABASE orders")
	server.Exec("orders", snapshotSchema)
	return server
}

// A switch is undone by what this test names, and goes on over what the next one does.
func TestTheCatalogSnapshotNamesTheKindOfWhatDDLChanged(t *testing.T) {
	for _, major := range pg.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			server := countedServer(t, major)
			for _, ddl := range []struct{ statement, kinds string }{
				{"ALTER TABLE rows DROP COLUMN gone", "columns"},
				{"ALTER TABLE rows ALTER COLUMN wide TYPE bigint", "columns"},
				{"ALTER TABLE rows ALTER COLUMN n SET DEFAULT 7", "columns"},
				{"GRANT UPDATE (n) ON rows TO PUBLIC", "columns"},
				{"ALTER TABLE rows RENAME TO other_rows", "tables"},
				{"ALTER TABLE rows REPLICA IDENTITY FULL", "tables"},
				{"ALTER TABLE rows SET (fillfactor = 50)", "tables"},
				{"CREATE TABLE part PARTITION OF parts FOR VALUES IN (1)", "columns, tables"},
				{"CREATE INDEX late ON rows (n)", "indexes"},
				{"DROP INDEX ready", "indexes"},
				{"ALTER TABLE rows REPLICA IDENTITY USING INDEX rows_pkey", "indexes, tables"},
				{"ALTER SEQUENCE cached INCREMENT 5", "sequences"},
				{"ALTER SEQUENCE cached OWNED BY rows.n", "sequences"},
				{"CREATE OR REPLACE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n'", "functions"},
				{"GRANT EXECUTE ON FUNCTION twice TO app", "functions"},
				{"CREATE OR REPLACE VIEW seen AS SELECT n FROM rows WHERE n > 0", "views"},
				{"ALTER TABLE rows ADD CONSTRAINT positive CHECK (n >= 0)", "constraints"},
				{"ALTER TABLE rows VALIDATE CONSTRAINT later", "constraints"},
				{"CREATE TRIGGER late BEFORE UPDATE ON rows FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()", "triggers"},
				{"CREATE POLICY late ON rows USING (true)", "policies"},
				{"CREATE TYPE mood AS ENUM ('good')", "types"},
				{"ALTER TYPE size ADD VALUE 'large'", "types"},
				{"CREATE SCHEMA late", "schemas"},
				{"GRANT SELECT ON rows TO PUBLIC", "rights"},
				{"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC", "rights"},
				{"GRANT TEMPORARY ON DATABASE orders TO app", "rights"},
				{"COMMENT ON TABLE rows IS 'late'", "comments"},
				{"COMMENT ON SCHEMA public IS 'late'", "comments"},
				{"ALTER ROLE app PASSWORD 'late'", "roles"},
				{"ALTER ROLE app SET work_mem = '8MB'", "settings"},
			} {
				if kinds := changedAfter(t, server, "BEGIN; "+ddl.statement); kinds != ddl.kinds && !strings.Contains(kinds, ddl.kinds) {
					t.Errorf("%s changed %q, not %q", ddl.statement, kinds, ddl.kinds)
				}
			}
		})
	}
}

func TestTheCatalogSnapshotIgnoresTruncateMaintenanceAndTemporaryThings(t *testing.T) {
	for _, major := range pg.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			server := countedServer(t, major)
			for _, statement := range []string{
				"INSERT INTO rows (n) VALUES (1)", "ANALYZE", "VACUUM", "VACUUM FREEZE", "VACUUM ANALYZE pg_catalog.pg_class", "VACUUM FULL rows",
				"CLUSTER rows USING rows_pkey", "REINDEX TABLE rows", "REINDEX SYSTEM orders", "REFRESH MATERIALIZED VIEW kept", "SELECT nextval('cached'), setval('cached', 3)",
				"TRUNCATE rows RESTART IDENTITY", "ALTER DATABASE orders CONNECTION LIMIT 0", "ALTER DATABASE orders SET default_transaction_read_only = on",
				"SET default_transaction_read_only = off; CREATE TEMP TABLE passing (id serial PRIMARY KEY, n int DEFAULT 1 CHECK (n > 0)); " +
					"CREATE INDEX ON passing (n); CREATE TEMP VIEW passing_too AS SELECT * FROM passing; COMMENT ON TABLE passing IS 'passing'; " +
					"CREATE TRIGGER passing BEFORE UPDATE ON passing FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
			} {
				if kinds := changedAfter(t, server, statement); kinds != "" {
					t.Errorf("%s changed %q", statement, kinds)
				}
			}
		})
	}
}

const snapshotSchema = `
CREATE TABLE rows (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int, gone int, wide int, note text DEFAULT 'x');
ALTER TABLE rows ADD CONSTRAINT later CHECK (n < 1000) NOT VALID;
CREATE INDEX ready ON rows (n);
CREATE TABLE parts (n int) PARTITION BY LIST (n);
CREATE SEQUENCE cached CACHE 20;
CREATE TYPE size AS ENUM ('small');
CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n + n';
CREATE VIEW seen AS SELECT n FROM rows;
CREATE MATERIALIZED VIEW kept AS SELECT 1 AS one`

// changedAfter are the kinds that statements changed; a transaction that they leave open is taken back.
func changedAfter(t *testing.T, server *pg.Server, statements string) string {
	t.Helper()
	session, err := server.Connect(t.Context(), "orders")
	must(t, err)
	defer session.Close(t.Context())
	snapshot, err := schema.NewCatalogSnapshot(t.Context(), session)
	must(t, err)
	_, err = session.Exec(t.Context(), statements)
	must(t, err)
	kinds, err := snapshot.Changed(t.Context())
	must(t, err)
	_, err = session.Exec(t.Context(), "ROLLBACK")
	must(t, err)
	return strings.Join(kinds, ", ")
}

// Traffic is held while it runs.
func TestTheCatalogSnapshotOfManyTablesIsQuick(t *testing.T) {
	server := pg.Start(t, 17, nil)
	server.Exec("", "CREATE DATABASE orders")
	for part := range 20 { // locks of one transaction are few
		server.Exec("orders", fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..100 LOOP EXECUTE format(
			'CREATE TABLE t%s_%%s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int NOT NULL, b text DEFAULT 1, c int, d int, e int, f int, g int, h text, i text, UNIQUE (a, c))', i); END LOOP; END $$`, fmt.Sprint(part)))
	}
	session, err := server.Connect(t.Context(), "orders")
	must(t, err)
	defer session.Close(t.Context())
	snapshot, err := schema.NewCatalogSnapshot(t.Context(), session)
	must(t, err)
	shortest := time.Hour
	for range 6 {
		begun := time.Now()
		_, err := snapshot.Changed(t.Context())
		must(t, err)
		t.Log(time.Since(begun))
		shortest = min(shortest, time.Since(begun))
	}
	if shortest > time.Second {
		t.Errorf("2,000 tables take %s", shortest)
	}
}
