package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/test/pg"
)

// loud has functions that tell of it when they run, at an event trigger that every session fires.
const loud = `
CREATE SEQUENCE told;
CREATE FUNCTION tell(s text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM nextval('public.told'); RETURN true; END $$;
CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('public.told'); RAISE EXCEPTION 'no DDL here'; END $$;
CREATE TABLE kept (id int, s varchar, CONSTRAINT k CHECK (CONDITION AND tell('x')));
CREATE INDEX i ON kept (tell(s)) WHERE CONDITION AND tell('x');
CREATE VIEW seen AS SELECT tell('x') FROM kept WHERE CONDITION;
CREATE EVENT TRIGGER strict ON ddl_command_start EXECUTE FUNCTION watch(); ALTER EVENT TRIGGER strict ENABLE ALWAYS;
CREATE EVENT TRIGGER replica ON sql_drop EXECUTE FUNCTION watch(); ALTER EVENT TRIGGER replica ENABLE REPLICA`

func TestAComparisonRunsNothingOfWhatItCompares(t *testing.T) {
	somePairs(t, [][2]int{{15, 17}, {postgres.Latest, postgres.Oldest}}, func(t *testing.T, blue, green *pg.Server) {
		for s, condition := range map[*pg.Server]string{blue: "s IN ('a', 'b')", green: "s::text = ANY (ARRAY['a'::varchar::text, 'b'::varchar::text])"} {
			s.Exec("", "CREATE DATABASE d")
			s.Exec("d", "REVOKE CREATE ON SCHEMA public FROM PUBLIC;"+strings.ReplaceAll(loud, "CONDITION", condition))
		}
		before := green.Query("d", "SELECT last_value FROM told")
		objects := green.Query("d", "SELECT count(*) FROM pg_class") + blue.Query("d", "SELECT count(*) FROM pg_class")
		sameBothWays(t, blue, green, "d", "loud")
		if after := green.Query("d", "SELECT last_value FROM told"); after != before {
			t.Errorf("something ran: %s, then %s", before, after)
		}
		if got := green.Query("d", "SELECT string_agg(evtenabled::text, '' ORDER BY evtname) FROM pg_event_trigger"); got != "RA" {
			t.Errorf("event triggers are %q now", got)
		}
		if got := green.Query("d", "SELECT count(*) FROM pg_class") + blue.Query("d", "SELECT count(*) FROM pg_class"); got != objects {
			t.Errorf("%s relations, then %s", objects, got)
		}
	})
}

func TestAComparisonWaitsForNobodyForLong(t *testing.T) {
	blue, green := pg.Start(t, 15, nil), pg.Start(t, 17, nil)
	for s, condition := range map[*pg.Server]string{blue: "s IN ('a', 'b')", green: "s::text = ANY (ARRAY['a'::varchar::text, 'b'::varchar::text])"} {
		s.Exec("", "CREATE DATABASE d")
		s.Exec("d", "CREATE TABLE a (s varchar, CHECK ("+condition+")); CREATE VIEW v AS SELECT s FROM a")
	}
	for _, s := range []*pg.Server{blue, green} {
		conn, err := s.Connect(t.Context(), "d")
		must(t, err)
		_, err = conn.Exec(t.Context(), "BEGIN; LOCK TABLE a")
		must(t, err)
		begun := time.Now()
		drift, err := schema.Compare(t.Context(), blue.Server, green.Server, "d", schema.Whole)
		if err == nil || len(drift.Differences) > 0 {
			t.Errorf("a migration locks a table of %s: %+v, %v", s.Instance, drift, err)
		}
		if took := time.Since(begun); took > 15*time.Second {
			t.Errorf("waited for %s", took)
		}
		must(t, conn.Close(context.Background()))
	}
	eventually(t, "the same", func() bool { return len(driftOf(t, blue, green, "d")) == 0 })
}

func TestWhatCantBeReadDiffersAndSaysWhy(t *testing.T) {
	blue, green := pg.Start(t, 15, nil), pg.Start(t, 17, nil)
	for _, s := range []*pg.Server{blue, green} {
		s.Exec("", "CREATE DATABASE d")
		s.Exec("d", "CREATE TABLE a (id int); CREATE VIEW v AS SELECT id FROM a WHERE id > 1")
	}
	blue.Exec("d", "CREATE FUNCTION late(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; CREATE OR REPLACE VIEW v AS SELECT id FROM a WHERE late(id) > 1")
	all := strings.Join(driftOf(t, blue, green, "d"), "\n")
	for _, want := range []string{"query of view public.v differs: test-17 can't read ", "function public.late(integer) does not exist", "function public.late(integer) is missing"} {
		if !strings.Contains(all, want) {
			t.Errorf("not found: %s in\n%s", want, all)
		}
	}
	green.Exec("d", "CREATE FUNCTION late(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; CREATE OR REPLACE VIEW v AS SELECT id FROM a WHERE late(id) > 1")
	sameBothWays(t, blue, green, "d", "made there, too")
}

func TestTemporaryThingsOfApplicationsAreNobodysSchema(t *testing.T) {
	blue, green := pg.Start(t, 15, nil), pg.Start(t, 17, nil)
	for _, s := range []*pg.Server{blue, green} {
		s.Exec("", "CREATE DATABASE d")
	}
	conn, err := blue.Connect(t.Context(), "d")
	must(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `CREATE TEMP TABLE a (id int CHECK (id > 0)); CREATE INDEX ON a (id); CREATE TEMP VIEW v AS SELECT id FROM a; CREATE POLICY p ON a USING (id > 1);
		CREATE RULE r AS ON DELETE TO a DO INSTEAD NOTHING; CREATE FUNCTION pg_temp.f(n int) RETURNS int LANGUAGE sql RETURN n + 1; GRANT SELECT (id) ON a TO PUBLIC;
		CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`)
	must(t, err)
	sameBothWays(t, blue, green, "d", "in use")
}
