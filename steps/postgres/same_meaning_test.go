package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/test/pg"
)

// meaning is something with an expression in it. PostgreSQL prints most of these in another way once they have been
// dumped and restored, or by another version.
type meaning struct {
	kind string
	make string
	// change what it means, a little.
	change string
	// named is how a difference begins.
	named string
	// since this major version.
	since int
}

const (
	inBoth  = "IN ('new', 'paid')"
	inOther = "IN ('new', 'sold')"
)

var meanings = []meaning{
	{kind: "check", make: "CREATE TABLE a (id int PRIMARY KEY, status varchar(20) CONSTRAINT k CHECK (status " + inBoth + "))",
		change: "ALTER TABLE a DROP CONSTRAINT k; ALTER TABLE a ADD CONSTRAINT k CHECK (status " + inOther + ")", named: "constraint k on public.a differs"},
	{kind: "check, the other way round", make: "CREATE TABLE b (a int, b int, CONSTRAINT k CHECK (a > b))",
		change: "ALTER TABLE b DROP CONSTRAINT k; ALTER TABLE b ADD CONSTRAINT k CHECK (b > a)", named: "constraint k on public.b differs"},
	{kind: "check of a whole row", make: "CREATE TABLE c (a int, b varchar, CONSTRAINT k CHECK (c.* IS NOT NULL AND b " + inBoth + "))",
		change: "ALTER TABLE c DROP CONSTRAINT k; ALTER TABLE c ADD CONSTRAINT k CHECK (c.* IS NULL AND b " + inBoth + ")", named: "constraint k on public.c differs"},
	{kind: "domain", make: "CREATE DOMAIN d AS varchar(9) COLLATE \"C\" DEFAULT lower('x') CONSTRAINT k CHECK (VALUE " + inBoth + " AND VALUE <> 'x')",
		change: "ALTER DOMAIN d DROP CONSTRAINT k; ALTER DOMAIN d ADD CONSTRAINT k CHECK (VALUE " + inBoth + " AND VALUE < 'x')", named: "constraint k on domain public.d differs"},
	{kind: "default of a domain", make: "CREATE DOMAIN dd AS text DEFAULT extract(year FROM now())::text",
		change: "ALTER DOMAIN dd SET DEFAULT extract(day FROM now())::text", named: "type public.dd differs"},
	{kind: "exclusion", make: "CREATE TABLE e (r int4range, s varchar, CONSTRAINT k EXCLUDE USING gist (int4range(lower(r), upper(r)) WITH &&) WHERE (s " + inBoth + "))",
		change: "ALTER TABLE e DROP CONSTRAINT k; ALTER TABLE e ADD CONSTRAINT k EXCLUDE USING gist (int4range(lower(r), upper(r)) WITH &&) WHERE (s " + inOther + ")", named: "constraint k on public.e differs"},
	{kind: "default", make: "CREATE TABLE f (a text DEFAULT extract(year FROM now()), b bool DEFAULT ('a' = ANY (ARRAY['a'::varchar, 'b']::text[])))",
		change: "ALTER TABLE f ALTER b SET DEFAULT ('a' = ALL (ARRAY['a'::varchar, 'b']::text[]))", named: "column public.f.b differs"},
	{kind: "generated column", make: "CREATE TABLE g (at timestamp, s varchar, y int GENERATED ALWAYS AS (extract(year FROM at)::int) STORED, n bool GENERATED ALWAYS AS (s " + inBoth + ") STORED)",
		change: "ALTER TABLE g DROP n, ADD n bool GENERATED ALWAYS AS (s " + inOther + ") STORED", named: "column public.g.n differs"},
	{kind: "index", make: "CREATE TABLE h (s varchar, t timestamp); CREATE INDEX hi ON h (lower(s) DESC, s, (extract(year FROM t)), (s " + inBoth + ")) INCLUDE (t) WHERE s " + inBoth,
		change: "DROP INDEX hi; CREATE INDEX hi ON h (lower(s) DESC, s, (extract(year FROM t)), (s " + inBoth + ")) INCLUDE (t) WHERE s " + inOther, named: "index public.hi differs"},
	{kind: "index expression", make: "CREATE TABLE i (s varchar); CREATE UNIQUE INDEX ii ON i ((s " + inBoth + "), s varchar_pattern_ops)",
		change: "DROP INDEX ii; CREATE UNIQUE INDEX ii ON i ((s NOT " + inBoth + "), s varchar_pattern_ops)", named: "index public.ii differs"},
	{kind: "partition key", make: "CREATE TABLE j (s varchar, t timestamp) PARTITION BY LIST ((s " + inBoth + ")); CREATE TABLE j1 PARTITION OF j FOR VALUES IN (true)",
		change: "DROP TABLE j; CREATE TABLE j (s varchar, t timestamp) PARTITION BY LIST ((s NOT " + inBoth + ")); CREATE TABLE j1 PARTITION OF j FOR VALUES IN (true)", named: "partition key of table public.j differs"},
	{kind: "partition", make: "CREATE TABLE l (t timestamptz, n int) PARTITION BY RANGE (t, n); CREATE TABLE l1 PARTITION OF l FOR VALUES FROM ('2025-01-01', MINVALUE) TO ('2026-01-01', 7)",
		change: "DROP TABLE l1; CREATE TABLE l1 PARTITION OF l FOR VALUES FROM ('2025-01-01', MINVALUE) TO ('2027-01-01', 7)", named: "bound of partition public.l1 differs"},
	{kind: "policy", make: "CREATE TABLE m (id int, s varchar); CREATE POLICY p ON m USING (s " + inBoth + " AND EXISTS (SELECT FROM m AS n WHERE n.id = m.id)) WITH CHECK (extract(year FROM now())::int > 2000)",
		change: "ALTER POLICY p ON m WITH CHECK (extract(year FROM now())::int < 2000)", named: "policy p on public.m differs"},
	{kind: "trigger", make: "CREATE TABLE n (a int, s varchar); CREATE TRIGGER w BEFORE UPDATE OF a ON n FOR EACH ROW WHEN (old.* IS DISTINCT FROM new.* AND new.s " + inBoth + ") EXECUTE FUNCTION suppress_redundant_updates_trigger()",
		change: "DROP TRIGGER w ON n; CREATE TRIGGER w BEFORE UPDATE OF a ON n FOR EACH ROW WHEN (old.* IS DISTINCT FROM new.* AND old.s " + inBoth + ") EXECUTE FUNCTION suppress_redundant_updates_trigger()", named: "trigger w on public.n differs"},
	{kind: "defaults of parameters", make: "CREATE FUNCTION o(a int, b float8 DEFAULT extract(year FROM now()), c bool DEFAULT 'a' = ANY (ARRAY['a'::varchar]::text[])) RETURNS int LANGUAGE sql AS 'SELECT 1'",
		change: "CREATE OR REPLACE FUNCTION o(a int, b float8 DEFAULT extract(day FROM now()), c bool DEFAULT 'a' = ANY (ARRAY['a'::varchar]::text[])) RETURNS int LANGUAGE sql AS 'SELECT 1'", named: "function public.o(integer, double precision, boolean) differs"},
	{kind: "body", make: "CREATE TABLE q (id int, s varchar); CREATE FUNCTION fq(id int, OUT n int) LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM q WHERE s " + inBoth + " AND q.id = fq.id; END",
		change: "CREATE OR REPLACE FUNCTION fq(id int, OUT n int) LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM q WHERE s " + inBoth + " AND q.id > fq.id; END", named: "body of function public.fq(integer) differs", since: 14},
	{kind: "body of a procedure", make: "CREATE PROCEDURE pq(s varchar) LANGUAGE sql BEGIN ATOMIC INSERT INTO q SELECT 1, s WHERE s " + inBoth + "; DELETE FROM q WHERE q.s = pq.s; END; CREATE FUNCTION fr(s varchar) RETURNS bool LANGUAGE sql RETURN s " + inBoth,
		change: "CREATE OR REPLACE PROCEDURE pq(s varchar) LANGUAGE sql BEGIN ATOMIC INSERT INTO q SELECT 1, s WHERE s " + inBoth + "; DELETE FROM q WHERE q.s <> pq.s; END", named: "body of procedure public.pq(character varying) differs", since: 14},
	{kind: "rule", make: "CREATE TABLE r (a int, s varchar); CREATE RULE u AS ON UPDATE TO r WHERE old.a > new.a AND new.s " + inBoth + " DO INSTEAD (DELETE FROM r WHERE r.a = old.a; INSERT INTO r VALUES (new.a))",
		change: "CREATE OR REPLACE RULE u AS ON UPDATE TO r WHERE new.a > old.a AND new.s " + inBoth + " DO INSTEAD (DELETE FROM r WHERE r.a = old.a; INSERT INTO r VALUES (new.a))", named: "rule u on public.r differs"},
	{kind: "view", make: "CREATE TABLE s (a int, s varchar, at timestamp); CREATE VIEW vs AS SELECT a AS renamed, s, extract(year FROM at) AS y FROM s WHERE s " + inBoth + " AND trim(both 'x' FROM s) <> '' AND at AT TIME ZONE 'UTC' < now() ORDER BY s.a",
		change: "DROP VIEW vs; CREATE VIEW vs AS SELECT a AS renamed, s, extract(year FROM at) AS y FROM s WHERE s " + inOther + " AND trim(both 'x' FROM s) <> '' AND at AT TIME ZONE 'UTC' < now() ORDER BY s.a", named: "query of view public.vs differs"},
	{kind: "view that needs a key", make: "CREATE TABLE t (id int PRIMARY KEY, a varchar); CREATE VIEW vt AS WITH x AS (SELECT * FROM t WHERE a " + inBoth + ") SELECT t.*, count(x.id) FROM t LEFT JOIN x USING (a) GROUP BY t.id",
		change: "CREATE OR REPLACE VIEW vt AS WITH x AS (SELECT * FROM t WHERE a " + inBoth + ") SELECT t.*, count(x.id) FROM t JOIN x USING (a) GROUP BY t.id", named: "query of view public.vt differs"},
	{kind: "materialized view", make: "CREATE MATERIALIZED VIEW w AS SELECT s.a, t.a AS b FROM s JOIN t ON t.id = s.a WHERE s " + inBoth,
		change: "DROP MATERIALIZED VIEW w; CREATE MATERIALIZED VIEW w AS SELECT s.a, t.a AS b FROM s JOIN t ON t.id > s.a WHERE s " + inBoth, named: "query of materialized view public.w differs"},
	{kind: "statistics", make: "CREATE TABLE x (a varchar, t timestamp); CREATE STATISTICS xs (mcv) ON (a " + inBoth + "), (extract(year FROM t)) FROM x",
		change: "DROP STATISTICS xs; CREATE STATISTICS xs (mcv) ON (a " + inBoth + "), (extract(day FROM t)) FROM x", named: "statistics public.xs differs", since: 14},
}

// meant are those that both versions of a pair can have.
func meant(blue, green *pg.Server) (these []meaning) {
	for _, m := range meanings {
		if m.since <= min(blue.Major, green.Major) {
			these = append(these, m)
		}
	}
	return these
}

func driftOf(t *testing.T, serving, following *pg.Server, database string) []string {
	t.Helper()
	drift, err := schema.Compare(t.Context(), serving.Server, following.Server, database, schema.Whole)
	must(t, err)
	return drift.Differences
}

// sameBothWays: blue serves before a switch, and green after it.
func sameBothWays(t *testing.T, blue, green *pg.Server, database, when string) {
	t.Helper()
	for _, d := range driftOf(t, blue, green, database) {
		t.Errorf("%s, %s serves: %s", when, blue.Instance, d)
	}
	for _, d := range driftOf(t, green, blue, database) {
		t.Errorf("%s, %s serves: %s", when, green.Instance, d)
	}
}

// TestExpressionsAreComparedByWhatTheyMean between two pairs of versions; under GITOVER_FULL=1 (make chaos) between more.
func TestExpressionsAreComparedByWhatTheyMean(t *testing.T) {
	some := [][2]int{{15, 17}, {postgres.Latest, postgres.Oldest}}
	if pg.Full {
		some = pg.EveryPair()
	}
	somePairs(t, some, func(t *testing.T, blue, green *pg.Server) {
		these := meant(blue, green)
		prepare(t, green)
		for _, db := range []string{"restored", "by_hand"} {
			for _, s := range []*pg.Server{blue, green} {
				s.Exec("", "CREATE DATABASE "+db)
				s.Exec(db, "REVOKE CREATE ON SCHEMA public FROM PUBLIC") // as from 15 on
			}
		}
		for _, m := range these {
			blue.Exec("restored", m.make)
			blue.Exec("by_hand", m.make)
			green.Exec("by_hand", m.make)
		}
		sameBothWays(t, blue, green, "by_hand", "made on both by hand")
		pg.CopySchema(t, copy.PreData, blue, green, "restored")
		sameSchema(t, blue, green, "restored", schema.PreData)
		pg.CopySchema(t, copy.PostData, blue, green, "restored")
		sameBothWays(t, blue, green, "restored", "dumped and restored")
		for _, m := range these {
			blue.Exec("restored", m.change)
		}
		drift := strings.Join(driftOf(t, blue, green, "restored"), "\n")
		for _, m := range these {
			if !strings.Contains("\n"+drift, "\n"+m.named) {
				t.Errorf("not found: %q of a changed %s in\n%s", m.named, m.kind, drift)
			}
			green.Exec("restored", m.change)
		}
		if found := strings.Count(drift, "\n"); found != len(these) { // the exclusion constraint also has an index
			t.Errorf("%d changes: %s", len(these), drift)
		}
		sameBothWays(t, blue, green, "restored", "changed on both by hand")
		for _, s := range []*pg.Server{blue, green} {
			if left := s.Query("restored", "SELECT string_agg(relname, ' ') FROM pg_class WHERE relname ~ 'gitover_scratch' OR relpersistence = 't'"); left != "" {
				t.Errorf("left on %s: %s", s.Instance, left)
			}
		}
	})
}

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
