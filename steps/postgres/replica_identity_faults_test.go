package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/pg"
)

// TestAReplicaIdentityThatSomebodyElseChangedStays and so does one that somebody else's publication needs by now.
func TestAReplicaIdentityThatSomebodyElseChangedStays(t *testing.T) {
	for _, major := range []int{13, 15, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			s := pg.Start(t, major, pg.Logical)
			s.Exec("", "CREATE DATABASE d")
			s.Exec("d", `CREATE TABLE changed (a int NOT NULL UNIQUE); CREATE TABLE captured (a int); CREATE TABLE dropped (a int); CREATE TABLE mine (a int); CREATE TABLE unindexed (a int NOT NULL UNIQUE);
				CREATE TABLE parts (a int) PARTITION BY RANGE (a); CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10)`)
			must(t, replication.GiveIdentities(t.Context(), s.Server, "d", names, 18))
			s.Exec("d", `ALTER TABLE changed REPLICA IDENTITY NOTHING; ALTER TABLE changed RENAME TO renamed; DROP TABLE dropped; ALTER TABLE mine RENAME TO "My own"; ALTER TABLE unindexed DROP CONSTRAINT unindexed_a_key;
				CREATE PUBLICATION cdc FOR TABLE captured, parts WITH (publish_via_partition_root)`)
			must(t, replication.GiveIdentities(t.Context(), s.Server, "d", names, 18))
			const want = "My own f, captured f, part f, renamed n, unindexed f"
			if got := s.Query("d", identities); got != want {
				t.Errorf("while it goes on: %s", got)
			}
			given, err := replication.GivenIdentities(t.Context(), s.Server, "d", names)
			must(t, err)
			stays := map[string]string{}
			for _, g := range given {
				stays[g.Table] = g.Stays()
			}
			for table, why := range map[string]string{
				"": "", `public."My own"`: "", "public.unindexed": "", "public.renamed": "it was changed to NOTHING since, not by Gitover",
				"public.captured": "publication cdc, which isn't Gitover's, needs it", "public.part": "publication cdc, which isn't Gitover's, needs it",
			} {
				if got, there := stays[table]; !there || got != why {
					t.Errorf("table %q stays: %q, %v", table, got, there)
				}
			}
			left, err := replication.RemoveAll(t.Context(), s.Server, names)
			if err != nil || len(left) > 0 {
				t.Errorf("left: %q, %v", left, err)
			}
			if got := s.Query("d", identities); got != "My own d, captured f, part f, renamed n, unindexed d" {
				t.Errorf("afterwards: %s", got)
			}
			s.Exec("d", "INSERT INTO captured VALUES (1); UPDATE captured SET a = 2; INSERT INTO parts VALUES (1); DELETE FROM parts")
		})
	}
}

// TestNoTableGetsAnIdentityThatIsNotRemembered since both are one transaction, whatever ends it.
func TestNoTableGetsAnIdentityThatIsNotRemembered(t *testing.T) {
	s := pg.Start(t, 17, pg.Logical)
	s.Exec("", "CREATE DATABASE d")
	s.Exec("d", "CREATE TABLE first (a int)")
	must(t, replication.GiveIdentities(t.Context(), s.Server, "d", names, 17))
	s.Exec("d", `CREATE TABLE second (a int); CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN OLD; END';
		CREATE TRIGGER die BEFORE INSERT OR DELETE ON gitover.replica_identities FOR EACH ROW EXECUTE FUNCTION die(); ALTER TABLE gitover.replica_identities ENABLE ALWAYS TRIGGER die`)
	if err := replication.GiveIdentities(t.Context(), s.Server, "d", names, 17); err == nil {
		t.Fatal("the session was to end")
	}
	if got := s.Query("d", identities); got != "first f, second d" {
		t.Errorf("after the end of the session: %s", got)
	}
	if left, err := replication.RemoveAll(t.Context(), s.Server, names); err != nil || len(left) != 1 {
		t.Errorf("left: %q, %v", left, err)
	}
	if got := s.Query("d", identities); got != "first f, second d" {
		t.Errorf("after the end of another: %s", got)
	}
	s.Exec("d", "ALTER TABLE gitover.replica_identities DISABLE TRIGGER die")
	must(t, replication.GiveIdentities(t.Context(), s.Server, "d", names, 17))
	if left, err := replication.RemoveAll(t.Context(), s.Server, names); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
	if got := s.Query("d", identities); got != "first d, second d" {
		t.Errorf("at the end: %s", got)
	}
}

// TestAVacuumOfTheServersOwnStepsAside though it would go on for hours, and Gitover waits for a moment only.
func TestAVacuumOfTheServersOwnStepsAside(t *testing.T) {
	s := pg.Start(t, 15, pg.Settings{"wal_level": "logical", "autovacuum_naptime": "1s", "autovacuum_vacuum_cost_delay": "100ms", "autovacuum_vacuum_cost_limit": "1"})
	s.Exec("", "CREATE DATABASE d")
	s.Exec("d", "CREATE TABLE large (a int, b text); INSERT INTO large SELECT n, repeat('x', 500) FROM generate_series(1, 50000) n")
	s.Exec("d", "DELETE FROM large WHERE a % 2 = 0")
	eventually(t, "the server vacuums the table", func() bool {
		return s.Query("d", "SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 'large'::regclass") == "1"
	})
	must(t, replication.GiveIdentities(t.Context(), s.Server, "d", names, 17))
	if got := s.Query("d", identities); got != "large f" {
		t.Error(got)
	}
}

// TestAReplicaIdentityWithAGeneratedColumnIsNone since that column isn't sent. Until 17 nobody says so, and the subscriber
// can't apply; from 18 on the application's own UPDATE and DELETE fail.
func TestAReplicaIdentityWithAGeneratedColumnIsNone(t *testing.T) {
	for _, story := range []struct {
		source, target int
		// by table: the rule that blocks it, and its fix; empty: none
		want map[string][2]string
	}{
		{15, 17, map[string][2]string{
			"whole": {}, "indexed": {}, "plain": {},
			"key":   {"replica_identity", "ALTER TABLE public.key REPLICA IDENTITY FULL;"},
			"index": {"replica_identity", "ALTER TABLE public.index REPLICA IDENTITY FULL;"},
			"other": {"replica_identity", "ALTER TABLE public.other REPLICA IDENTITY USING INDEX other_a_key;"},
		}},
		{15, 18, map[string][2]string{
			"whole":   {"generated_identity", "Give public.whole a primary key"},
			"indexed": {"generated_identity", "ALTER TABLE public.indexed REPLICA IDENTITY DEFAULT;"},
			"plain":   {},
			"key":     {"replica_identity", "Give public.key a primary key"},
			"index":   {"replica_identity", "Give public.index a primary key"},
			"other":   {"replica_identity", "ALTER TABLE public.other REPLICA IDENTITY USING INDEX other_a_key;"},
		}},
		{18, 15, map[string][2]string{
			"whole":   {"replica_identity", "Give public.whole a primary key"},
			"indexed": {"replica_identity", "ALTER TABLE public.indexed REPLICA IDENTITY DEFAULT;"},
			"plain":   {},
			"key":     {"replica_identity", "Give public.key a primary key"},
			"index":   {"replica_identity", "Give public.index a primary key"},
			"other":   {"replica_identity", "ALTER TABLE public.other REPLICA IDENTITY USING INDEX other_a_key;"},
		}},
	} {
		t.Run(fmt.Sprintf("%d to %d", story.source, story.target), func(t *testing.T) {
			s := pg.Start(t, story.source, pg.Logical)
			s.Exec("", "CREATE DATABASE d")
			s.Exec("d", `
				CREATE TABLE whole (a int, b int GENERATED ALWAYS AS (a * 2) STORED); ALTER TABLE whole REPLICA IDENTITY FULL;
				CREATE TABLE indexed (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED); ALTER TABLE indexed REPLICA IDENTITY FULL;
				CREATE TABLE plain (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED);
				CREATE TABLE key (a int, b int GENERATED ALWAYS AS (a * 2) STORED PRIMARY KEY);
				CREATE TABLE index (a int, b int GENERATED ALWAYS AS (a * 2) STORED NOT NULL UNIQUE); ALTER TABLE index REPLICA IDENTITY USING INDEX index_b_key;
				CREATE TABLE other (a int NOT NULL UNIQUE, b int GENERATED ALWAYS AS (a * 2) STORED PRIMARY KEY)`)
			findings, err := preflight.Check(t.Context(), s.Server, request(story.target, "d"))
			must(t, err)
			for table, want := range story.want {
				i := slices.IndexFunc(findings, func(f preflight.Finding) bool { return f.Blocks() && f.Object == "table public."+table })
				switch {
				case want[0] == "" && i >= 0:
					t.Errorf("%s is blocked: %s", table, findings[i].Why)
				case want[0] != "" && i < 0:
					t.Errorf("%s isn't blocked", table)
				case want[0] != "" && (findings[i].Name != want[0] || !strings.HasPrefix(findings[i].Fix, want[1])):
					t.Errorf("%s is blocked by %s, fix %q", table, findings[i].Name, findings[i].Fix)
				}
			}
			must(t, replication.EnsureMarker(t.Context(), s.Server, "d"))
			must(t, replication.CreatePublication(t.Context(), s.Server, "d", names))
			conn, err := s.Connect(t.Context(), "d")
			must(t, err)
			for table := range story.want {
				for _, statement := range []string{"INSERT INTO " + table + " VALUES (1)", "UPDATE " + table + " SET a = 2", "DELETE FROM " + table} {
					if _, err := conn.Exec(t.Context(), statement); err != nil {
						t.Errorf("the application's %s fails: %v", statement, err)
					}
				}
			}
		})
	}
}
