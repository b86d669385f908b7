package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/pg"
)

// nineteen are the rules of what 19 no longer takes.
var nineteen = []string{"string_escapes", "line_breaks", "radius", "function_settings", "lock_room"}

// ofNineteen are the findings of these rules, of both passes.
func ofNineteen(t *testing.T, blue, green *pg.Server, databases ...string) []preflight.Finding {
	t.Helper()
	return slices.DeleteFunc(lockFindings(t, blue, green, databases...), func(f preflight.Finding) bool { return !slices.Contains(nineteen, f.Name) })
}

// TestWhatNineteenRefusesIsFoundWhileTheOldServerServes, and the statement that each finding proposes fixes it.
func TestWhatNineteenRefusesIsFoundWhileTheOldServerServes(t *testing.T) {
	blue, green := pg.Start(t, 18, pg.Settings{"wal_level": "logical", "max_locks_per_transaction": "128"}), pg.Start(t, 19, pg.Logical)
	two := "two\nlines"
	for _, sql := range []string{
		"CREATE DATABASE d", `CREATE DATABASE "` + two + `"`, `CREATE ROLE "` + two + `"`, "CREATE ROLE app LOGIN",
		"ALTER ROLE app SET standard_conforming_strings = off", "ALTER ROLE app IN DATABASE d SET standard_conforming_strings = off",
		"ALTER DATABASE d SET standard_conforming_strings = off",
		"SET password_encryption = md5; SET md5_password_warnings = off; CREATE ROLE old LOGIN PASSWORD 'old'",
	} {
		blue.Exec("", sql)
	}
	blue.Exec("d", `
		CREATE FUNCTION escaping() RETURNS int LANGUAGE sql SET standard_conforming_strings = off AS 'SELECT 1';
		CREATE FUNCTION warning() RETURNS int LANGUAGE sql SET escape_string_warning = off AS 'SELECT 1';
		CREATE FUNCTION fine() RETURNS int LANGUAGE sql SET standard_conforming_strings = on SET "my.own" = 'x' AS 'SELECT 1'`)
	blue.Ask("old", `radius radiusservers="127.0.0.1" radiussecrets="s"`)

	findings := ofNineteen(t, blue, green, "d", two)
	for _, want := range [][2]string{
		{"string_escapes", "role app"}, {"string_escapes", "role app in database d"}, {"string_escapes", "database d"},
		{"line_breaks", `role "two`}, {"line_breaks", `database "two`}, {"radius", "line 1 of pg_hba.conf"},
		{"function_settings", "escaping()"}, {"function_settings", "warning()"}, {"lock_room", "max_locks_per_transaction"},
	} {
		f := found(t, findings, want[0], want[1])
		if f.Why == "" || strings.ContainsAny(f.Why+f.Fix, "{}") || f.Blocks() == (f.Name == "lock_room") {
			t.Errorf("%+v", f)
		}
	}
	if len(findings) != 9 {
		t.Errorf("%d findings, want 9: %s", len(findings), list(findings))
	}
	if f := found(t, findings, "lock_room", ""); !strings.Contains(f.Fix, "max_locks_per_transaction = 256") {
		t.Errorf("%+v", f)
	}
	all, err := preflight.Check(t.Context(), blue.Server, request(19, "d"))
	must(t, err)
	if f := found(t, all, "md5_passwords", "old"); !strings.Contains(f.Why, "gets a warning") {
		t.Errorf("%+v", f)
	}
	to17, err := preflight.Check(t.Context(), blue.Server, request(17, "d", two))
	must(t, err)
	if b := blocking(to17); len(b) > 0 {
		t.Errorf("18 to 17 is blocked by what 19 refuses: %s", list(b))
	}
	mendForNineteen(t, blue, green, findings)
	if findings := ofNineteen(t, blue, green, "d", "two lines"); len(findings) > 0 {
		t.Errorf("fixed, and still found: %s", list(findings))
	}

	blue.Exec("", "ALTER SYSTEM SET standard_conforming_strings = off")
	blue.Exec("", "SELECT pg_reload_conf()")
	eventually(t, "the server escapes", func() bool { return blue.Query("", "SHOW standard_conforming_strings") == "off" })
	found(t, ofNineteen(t, blue, green, "d"), "string_escapes", "the server")
}

// mendForNineteen does what findings propose.
func mendForNineteen(t *testing.T, blue, green *pg.Server, findings []preflight.Finding) {
	t.Helper()
	for _, f := range findings {
		switch f.Name {
		case "string_escapes", "line_breaks":
			blue.Exec("", f.Fix[strings.LastIndex(f.Fix, "ALTER "):])
		case "function_settings":
			blue.Exec("d", f.Fix)
		}
	}
	blue.Ask("old", "md5")
	green.Exec("", "ALTER SYSTEM SET max_locks_per_transaction = 256")
	green.Stop()
	green.Run()
}

// TestADatabaseThatNobodyCanReadInUTF8IsNamed, also where the target would take it.
func TestADatabaseThatNobodyCanReadInUTF8IsNamed(t *testing.T) {
	blue := pg.Start(t, 17, pg.Logical)
	blue.Exec("", "CREATE DATABASE mule TEMPLATE template0 ENCODING 'MULE_INTERNAL' LC_COLLATE 'C' LC_CTYPE 'C'")
	blue.Exec("", "CREATE DATABASE d")
	for _, target := range []int{18, 19} {
		findings, err := preflight.Check(t.Context(), blue.Server, request(target, "d", "mule"))
		must(t, err)
		if f := found(t, findings, "encoding", "mule"); !f.Blocks() {
			t.Errorf("%+v", f)
		}
		findings, err = preflight.Check(t.Context(), blue.Server, request(target, "d"))
		must(t, err)
		if b := blocking(findings); len(b) > 0 {
			t.Errorf("of a database that stays: %s", list(b))
		}
	}
}

// TestWhatNineteenAloneHasIsFoundBeforeADowngrade, and nothing else.
func TestWhatNineteenAloneHasIsFoundBeforeADowngrade(t *testing.T) {
	blue := pg.Start(t, 19, pg.Logical)
	blue.Exec("", "CREATE DATABASE d")
	blue.Exec("d", `
		CREATE TABLE t (a int PRIMARY KEY, b int, day date DEFAULT random('2025-01-01'::date, '2025-12-31'::date), n oid8, net cidr);
		CREATE VIEW v AS SELECT lag(b) IGNORE NULLS OVER (ORDER BY a) AS before, lag(b) OVER (ORDER BY a) AS plain FROM t;
		CREATE FUNCTION upsert() RETURNS int LANGUAGE sql BEGIN ATOMIC INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO SELECT RETURNING a; END;
		CREATE INDEX nets ON t USING gist (net); CREATE FOREIGN DATA WRAPPER plain`)
	findings, err := preflight.Check(t.Context(), blue.Server, request(18, "d"))
	must(t, err)
	for _, want := range [][3]string{
		{"missing_builtins", "default of column public.t.day", "random"}, {"missing_builtins", "column public.t.n", "oid8"}, {"missing_builtins", "view public.v", "IGNORE NULLS"},
		{"missing_builtins", "function public.upsert()", "ON CONFLICT DO SELECT"}, {"lost_features", "nets", "btree_gist"},
	} {
		if f := found(t, findings, want[0], want[1]); !f.Blocks() || !strings.Contains(f.Why, want[2]) {
			t.Errorf("%+v", f)
		}
	}
	if b := blocking(findings); len(b) != 5 {
		t.Errorf("%d block, want 5: %s", len(b), list(b))
	}
}

// TestIndexesOnAddressesArriveWithNineteensOperatorClass, from whichever they had: btree_gist's was the default up to 18. The
// new side needs no more than wal_level = replica to feed the rollback path.
func TestIndexesOnAddressesArriveWithNineteensOperatorClass(t *testing.T) {
	blue, green := pg.Start(t, 18, pg.Logical), pg.Start(t, 19, pg.Settings{"wal_level": "replica"})
	blue.Exec("", "CREATE DATABASE d")
	blue.Exec("d", `CREATE EXTENSION btree_gist;
		CREATE TABLE t (a int PRIMARY KEY, ip inet, net cidr, during tsrange, EXCLUDE USING gist (ip WITH =, during WITH &&), EXCLUDE USING gist (net inet_ops WITH &&) WHERE (a > 7));
		CREATE INDEX plain ON t USING gist (ip, net); CREATE INDEX named ON t USING gist (ip inet_ops, net inet_ops); CREATE INDEX other ON t USING gist (a, during);
		INSERT INTO t SELECT g, ('10.0.0.' || g)::inet, ('10.' || g || '.0.0/16')::cidr, tsrange(NULL, NULL) FROM generate_series(1, 200) g`)
	if b := blocking(lockFindings(t, blue, green, "d")); len(b) > 0 {
		t.Fatalf("blocked by %s", list(b))
	}
	replicate(t, blue, green)
	name := names.Subscription("d", green.Instance)
	must(t, replication.SetSubscriptionEnabled(t.Context(), green.Server, "d", name, false))
	pg.CopySchema(t, copy.PostData, blue, green, "d")
	sameBothWays(t, blue, green, "d", "restored")
	if got := green.Query("d", "SELECT string_agg(DISTINCT opcname::text, ' ') FROM pg_index i JOIN pg_opclass o ON o.oid = ANY (i.indclass) WHERE indrelid = 't'::regclass AND opcintype IN ('inet'::regtype, 'cidr'::regtype)"); got != "inet_ops" {
		t.Errorf("operator classes of addresses on 19: %s", got)
	}
	green.Exec("d", "DROP INDEX other; CREATE INDEX other ON t USING gist (during, a)")
	if d := driftOf(t, blue, green, "d"); len(d) != 1 || !strings.Contains(d[0], "index public.other differs") {
		t.Errorf("another index: %q", d)
	}
	must(t, replication.DropSubscription(t.Context(), green.Server, "d", name))
	subscribe(t, green, blue, "d", false)
	green.Exec("d", "UPDATE t SET ip = '10.9.9.9' WHERE a = 1")
	id, err := replication.CommitMarker(t.Context(), green.Server, "d")
	must(t, err)
	must(t, awaitMarker(t.Context(), green, blue, "d", id))
	if got := blue.Query("d", "SELECT ip FROM t WHERE a = 1"); got != "10.9.9.9" {
		t.Errorf("on the rollback path: %s", got)
	}
}
