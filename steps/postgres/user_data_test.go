package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/transfer"
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

func TestAnEnabledSubscriptionOfOthersBlocksUntilItIsDisabled(t *testing.T) {
	s := pg.Start(t, 15, pg.Logical)
	s.Exec("", "CREATE DATABASE d")
	s.Exec("d", `CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false, slot_name = 'feed')`)
	s.Exec("d", `CREATE SUBSCRIPTION `+names.Subscription("d", "blue")+` CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false)`)
	blocked := func() []preflight.Finding {
		findings, err := preflight.Check(t.Context(), s.Server, request(17, "d"))
		must(t, err)
		found(t, findings, "other_subscriptions", "feed")
		return blocking(findings)
	}
	if b := blocked(); len(b) > 0 {
		t.Errorf("disabled: %s", list(b))
	}
	s.Exec("d", "ALTER SUBSCRIPTION feed ENABLE")
	s.Exec("d", "ALTER SUBSCRIPTION "+names.Subscription("d", "blue")+" SET (slot_name = 'own'); ALTER SUBSCRIPTION "+names.Subscription("d", "blue")+" ENABLE")
	if b := blocked(); len(b) != 1 || !strings.Contains(found(t, b, "enabled_subscriptions", "feed").Fix, "In database d: ALTER SUBSCRIPTION feed DISABLE;") {
		t.Errorf("enabled: %s", list(b))
	}
	s.Exec("d", "ALTER SUBSCRIPTION feed DISABLE")
	if b := blocked(); len(b) > 0 {
		t.Errorf("disabled again: %s", list(b))
	}
}

// TestTablesOfExtensionsHaveTheirReplicaIdentityOnBothSides: they are published, and a dump doesn't say what they have.
func TestTablesOfExtensionsHaveTheirReplicaIdentityOnBothSides(t *testing.T) {
	somePairs(t, pg.Pairs(pairs[1:3]...), func(t *testing.T, blue, green *pg.Server) {
		// as the script of an extension makes them, on every server
		const script = `CREATE TABLE jobs (n int, what text); CREATE TABLE keyed (n int NOT NULL UNIQUE);
			ALTER EXTENSION plpgsql ADD TABLE jobs; ALTER EXTENSION plpgsql ADD TABLE keyed`
		blue.Exec("", "CREATE DATABASE d")
		blue.Exec("d", script)
		findings, err := preflight.Check(t.Context(), blue.Server, request(green.Major, "d"))
		must(t, err)
		for table, fix := range map[string]string{"public.jobs": "FULL", "public.keyed": "USING INDEX keyed_n_key"} {
			f := found(t, findings, "replica_identity", table)
			if want := "ALTER TABLE " + table + " REPLICA IDENTITY " + fix + ";"; f.Fix != want {
				t.Errorf("fix %q, want %q", f.Fix, want)
			}
			blue.Exec("d", f.Fix)
		}
		prepare(t, green)
		all, err := postgres.ApplicationDatabases(t.Context(), blue.Server, nil, nil)
		must(t, err)
		must(t, transfer.CreateDatabases(t.Context(), blue.Server, green.Server, postgres.Moved(all)))
		green.Exec("d", script)
		pg.CopySchema(t, copy.PreData, blue, green, "d")
		const look = "SELECT string_agg(relname::text || relreplident::text, ' ' ORDER BY relname) FROM pg_class WHERE relname IN ('jobs', 'keyed')"
		if got := green.Query("d", look); got != "jobsf keyedi" {
			t.Errorf("%s", got)
		}
	})
}

// TestWhatASwitchCopiesOrMovesNoLongerBlocks: the preflight says what is done about it instead.
func TestWhatASwitchCopiesOrMovesNoLongerBlocks(t *testing.T) {
	s := pg.Start(t, 15, pg.Logical)
	s.Exec("", "CREATE DATABASE d")
	s.Exec("d", "CREATE UNLOGGED TABLE cart (id int PRIMARY KEY); SELECT lo_from_bytea(1, 'one')")
	s.Exec("d", "CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false, slot_name = 'feed')")
	s.Exec("d", "ALTER SUBSCRIPTION feed ENABLE")
	ask := func(r preflight.Request) map[string]preflight.Finding {
		findings, err := preflight.Check(t.Context(), s.Server, r)
		must(t, err)
		byName := map[string]preflight.Finding{}
		for _, f := range findings {
			byName[f.Name] = f
		}
		return byName
	}
	plain := request(17, "d")
	helped := plain
	helped.Carry, helped.MoveSubscriptions = transfer.Carry{LargeObjects: true, UnloggedTables: true}, true
	before, after := ask(plain), ask(helped)
	for trouble, instead := range map[string]string{
		"large_objects": "carried_large_objects", "unlogged_tables": "carried_unlogged", "enabled_subscriptions": "moved_subscriptions", "other_subscriptions": "moved_subscriptions",
	} {
		if before[trouble].Name == "" || before[instead].Name != "" {
			t.Errorf("without help: %+v, %+v", before[trouble], before[instead])
		}
		if after[trouble].Name != "" || after[instead].Severity != preflight.Info {
			t.Errorf("with help: %+v, %+v", after[trouble], after[instead])
		}
	}
	other := helped
	other.Databases = nil
	if f := ask(other)["enabled_subscriptions"]; !f.Blocks() {
		t.Errorf("in a database that isn't part of the upgrade: %+v", f)
	}
}
