package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/test/pg"
)

func request(target int, databases ...string) preflight.Request {
	return preflight.Request{Target: target, Databases: databases, Names: names, RollbackPath: true}
}

// found fails unless there is a finding of that name about that object, and returns it.
func found(t *testing.T, findings []preflight.Finding, name, object string) preflight.Finding {
	t.Helper()
	i := slices.IndexFunc(findings, func(f preflight.Finding) bool { return f.Name == name && strings.Contains(f.Object, object) })
	if i < 0 {
		t.Fatalf("no finding %s about %q in %s", name, object, list(findings))
	}
	return findings[i]
}

func list(findings []preflight.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "\n%s %s (%s %s): %s Fix: %s", f.Severity, f.Name, f.Database, f.Object, f.Why, f.Fix)
	}
	return b.String()
}

func blocking(findings []preflight.Finding) []preflight.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f preflight.Finding) bool { return !f.Blocks() })
}

func TestAHealthyShopPassesPreflightOnEveryPair(t *testing.T) {
	eachPair(t, func(t *testing.T, blue, green *pg.Server) {
		sell(blue)
		findings, err := preflight.Check(t.Context(), blue.Server, request(green.Major, "shop", hostile))
		must(t, err)
		pair, err := preflight.CheckPair(t.Context(), blue.Server, green.Server, request(green.Major, "shop", hostile))
		must(t, err)
		if b := blocking(append(findings, pair...)); len(b) > 0 {
			t.Errorf("blocked by %s", list(b))
		}
		found(t, findings, "sequences", "2 sequences")
		found(t, findings, "materialized_views", "2")
	})
}

func TestPreflightNamesEveryHazardInOnePass(t *testing.T) {
	blue := pg.Start(t, 15, pg.Settings{"max_replication_slots": "1", "max_prepared_transactions": "2", "wal_level": "replica"})
	blue.Exec("", "CREATE DATABASE d")
	blue.Exec("", `CREATE ROLE chief LOGIN SUPERUSER PASSWORD 'c'`)
	blue.Exec("d", `
		CREATE TABLE bare (a int); CREATE TABLE keyed (a int NOT NULL UNIQUE); CREATE TABLE lazy (a int PRIMARY KEY DEFERRABLE);
		CREATE TABLE shapeless (p point, j json[]); ALTER TABLE shapeless REPLICA IDENTITY FULL;
		CREATE UNLOGGED TABLE scratch (a int PRIMARY KEY);
		CREATE TABLE watched (a int PRIMARY KEY); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER always BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE watched ENABLE ALWAYS TRIGGER always;
		CREATE FUNCTION twice(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2'; CREATE INDEX ON watched (twice(a));
		CREATE PUBLICATION cdc FOR ALL TABLES; SELECT lo_create(0);
		ALTER DATABASE d SET statement_timeout = '30s'`)
	blue.Exec("d", `BEGIN; INSERT INTO watched VALUES (1); PREPARE TRANSACTION 'stuck'`)
	req := request(17, "d")
	findings, err := preflight.Check(t.Context(), blue.Server, req)
	must(t, err)
	for _, want := range [][3]string{
		{"wal_level", "wal_level", "wal_level = 'logical'"},
		{"capacity", "max_replication_slots", `ALTER SYSTEM SET max_replication_slots = 3;`},
		{"prepared_transactions", "stuck", "COMMIT PREPARED 'stuck';"},
		{"wal_retention", "max_slot_wal_keep_size", "max_slot_wal_keep_size = '"},
		{"replica_identity", "public.bare", "ALTER TABLE public.bare REPLICA IDENTITY FULL;"},
		{"replica_identity", "public.keyed", "ALTER TABLE public.keyed REPLICA IDENTITY USING INDEX keyed_a_key;"},
		{"replica_identity", "public.lazy", "ALTER TABLE public.lazy REPLICA IDENTITY FULL;"},
		{"identity_full_types", "public.shapeless", "primary key"},
		{"unlogged_tables", "public.scratch", "SET LOGGED"},
		{"firing_triggers", "always", "ALTER TABLE public.watched ENABLE TRIGGER always;"},
		{"unset_search_path", "twice", "SET search_path"},
		{"other_publications", "cdc", ""},
		{"large_objects", "1 large", "lo_unlink"},
		{"time_limits", "statement_timeout", "SET statement_timeout = 0;"},
	} {
		f := found(t, findings, want[0], want[1])
		if !strings.Contains(f.Fix, want[2]) || f.Why == "" {
			t.Errorf("%s says why %q and fix %q, want %q", f.Name, f.Why, f.Fix, want[2])
		}
		if strings.ContainsAny(f.Why+f.Fix, "{}") {
			t.Errorf("%s has an unfilled place: %q %q", f.Name, f.Why, f.Fix)
		}
	}
	for _, f := range findings {
		if f.Name == "identity_full_types" && !strings.Contains(f.Why, "column p") && !strings.Contains(f.Why, "column j") {
			t.Errorf("the wrong column: %s", f.Why)
		}
	}

	req.Acknowledged = []string{"firing_triggers", "wal_level"}
	findings, err = preflight.Check(t.Context(), blue.Server, req)
	must(t, err)
	if found(t, findings, "firing_triggers", "always").Blocks() {
		t.Error("an acknowledged hazard still blocks")
	}
	if !found(t, findings, "wal_level", "").Blocks() {
		t.Error("wal_level can't be acknowledged away")
	}
}

func TestPreflightSaysWhenTheUserOrTheVersionIsWrong(t *testing.T) {
	blue := pg.Start(t, 15, pg.Logical)
	blue.Exec("", `CREATE ROLE modest LOGIN PASSWORD 'm'`)
	modest := blue.Server
	modest.User, modest.Password = "modest", "m"
	findings, err := preflight.Check(t.Context(), modest, request(17))
	if err == nil {
		found(t, findings, "superuser", "modest")
	} else {
		t.Error(err)
	}
	findings, err = preflight.Check(t.Context(), blue.Server, request(15))
	must(t, err)
	found(t, findings, "version", "PostgreSQL 15")
	for _, none := range []int{postgres.Oldest - 1, postgres.Latest + 1} {
		findings, err = preflight.Check(t.Context(), blue.Server, request(none))
		must(t, err)
		if f := found(t, findings, "version", "PostgreSQL 15"); !strings.Contains(f.Why, "none of "+postgres.SupportedVersions()) {
			t.Errorf("%+v", f)
		}
	}
}

func TestADowngradeIsBlockedByWhatTheOlderVersionCannotHold(t *testing.T) {
	blue := pg.Start(t, 18, pg.Logical)
	green := pg.Start(t, 13, nil)
	blue.Exec("", "CREATE DATABASE d")
	blue.Exec("", `CREATE ROLE watcher IN ROLE pg_read_all_data; CREATE ROLE boss; CREATE ROLE worker; GRANT boss TO worker WITH SET FALSE;
		ALTER ROLE worker SET transaction_timeout = '5s'; CREATE ROLE keeper`)
	blue.Exec("d", `
		CREATE TABLE t (a int PRIMARY KEY, v int GENERATED ALWAYS AS (a + 1) VIRTUAL, b int, UNIQUE NULLS NOT DISTINCT (b));
		CREATE TABLE r (t int4multirange, a int PRIMARY KEY); CREATE TYPE span AS RANGE (subtype = int);
		CREATE FUNCTION modern() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
		CREATE VIEW v WITH (security_invoker) AS SELECT * FROM t; GRANT MAINTAIN ON t TO keeper;
		CREATE STATISTICS s ON (a + b) FROM t; ALTER TABLE t ADD CHECK (b > 0) NOT ENFORCED;
		CREATE EXTENSION pg_trgm`)
	findings, err := preflight.Check(t.Context(), blue.Server, request(13, "d"))
	must(t, err)
	for _, object := range []string{"t.v", "_key", "r.t", "span", "modern()", "view public.v", "rights on public.t", "public.s", "t_b_check"} {
		found(t, findings, "lost_features", object)
	}
	found(t, findings, "predefined_roles", "watcher")
	found(t, findings, "membership_options", "worker")
	pair, err := preflight.CheckPair(t.Context(), blue.Server, green.Server, request(13, "d"))
	must(t, err)
	found(t, pair, "green_wal_level", "wal_level")
	found(t, pair, "unknown_settings", "worker")
	found(t, pair, "extension_versions", "pg_trgm")
}

func TestAnUpgradeIsBlockedByWhatTheNewerVersionDropped(t *testing.T) {
	blue := pg.Start(t, 13, pg.Logical)
	green := pg.Start(t, 18, pg.Settings{"wal_level": "logical", "max_logical_replication_workers": "1", "max_active_replication_origins": "1", "max_connections": "30"})
	blue.Exec("", "CREATE DATABASE d")
	blue.Exec("d", `
		CREATE FUNCTION fac(bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS 'SELECT $1'; CREATE OPERATOR !!! (LEFTARG = bigint, PROCEDURE = fac);
		CREATE AGGREGATE collect(anyelement) (SFUNC = array_append, STYPE = anyarray, INITCOND = '{}');
		CREATE EXTENSION adminpack`)
	findings, err := preflight.Check(t.Context(), blue.Server, request(18, "d"))
	must(t, err)
	found(t, findings, "removed_features", "!!!")
	found(t, findings, "removed_features", "collect")
	pair, err := preflight.CheckPair(t.Context(), blue.Server, green.Server, request(18, "d"))
	must(t, err)
	found(t, pair, "extensions", "adminpack")
	found(t, pair, "green_capacity", "max_logical_replication_workers")
	found(t, pair, "green_capacity", "max_active_replication_origins")
	found(t, pair, "other_defaults", "max_connections")
}
