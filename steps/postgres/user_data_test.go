package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/test/pg"
)

// jobs makes an extension keep a table as pg_cron keeps its jobs; "builtin" is what it brings itself.
const jobs = `CREATE EXTENSION pg_trgm; CREATE TABLE job (name text PRIMARY KEY); ALTER EXTENSION pg_trgm ADD TABLE job;
	UPDATE pg_extension SET extconfig = ARRAY['job'::regclass::oid], extcondition = ARRAY['WHERE name <> ''builtin''']
	WHERE extname = 'pg_trgm'; INSERT INTO job VALUES ('builtin')`

func TestTheDatabasePostgresMovesOnceItHoldsWhatUsersMadeOrToldAnExtension(t *testing.T) {
	for _, c := range []struct{ name, make, undo string }{
		{"a row of an extension", "INSERT INTO job VALUES ('nightly')", "DELETE FROM job WHERE name = 'nightly'"},
		{"a function", "CREATE FUNCTION lookup() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION lookup"},
		{"a foreign server", "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w", "DROP SERVER far; DROP FOREIGN DATA WRAPPER w"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := pg.Start(t, 15, pg.Logical)
			s.Exec("", jobs)
			if moves(t, s) {
				t.Error("moved with nothing but an extension as it comes")
			}
			s.Exec("", c.make)
			if !moves(t, s) {
				t.Error("stays behind")
			}
			s.Exec("", c.undo)
			if moves(t, s) {
				t.Error("moved after it was undone")
			}
		})
	}
}

func moves(t *testing.T, s *pg.Server) bool {
	t.Helper()
	all, err := postgres.ApplicationDatabases(t.Context(), s.Server, nil, nil)
	must(t, err)
	return slices.ContainsFunc(postgres.Moved(all), func(d postgres.Database) bool { return d.Name == "postgres" })
}

func TestPreflightNamesWhatTheDatabasePostgresLeavesBehind(t *testing.T) {
	s := pg.Start(t, 15, pg.Logical)
	leftOut := func(databases ...string) []preflight.Finding {
		findings, err := preflight.Check(t.Context(), s.Server, request(17, databases...))
		must(t, err)
		return slices.DeleteFunc(findings, func(f preflight.Finding) bool { return f.Name != "left_out" })
	}
	if f := leftOut(); len(f) > 0 {
		t.Errorf("an empty database: %s", list(f))
	}
	s.Exec("", jobs)
	s.Exec("", "CREATE SCHEMA drawer; CREATE TYPE drawer.mood AS ENUM ('glad'); SELECT lo_create(0)")
	left := leftOut()
	for _, object := range []string{"extension pg_trgm", "schema drawer", "type drawer.mood", "1 large objects"} {
		if f := found(t, left, "left_out", object); f.Database != "postgres" || f.Blocks() || !strings.Contains(f.Fix, "spec.databases.include") {
			t.Errorf("%+v", f)
		}
	}
	if len(left) != 4 {
		t.Errorf("more than there is: %s", list(left))
	}
	if f := leftOut("postgres"); len(f) > 0 {
		t.Errorf("though it moves: %s", list(f))
	}
}
