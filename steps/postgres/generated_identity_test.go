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
