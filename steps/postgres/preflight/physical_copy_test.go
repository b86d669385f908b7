package preflight_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/test/pg"
)

// TestWhatKeepsAPhysicalCopyFromBeingPossibleIsNamed, each thing with its object; on a server without any of them it is possible.
func TestWhatKeepsAPhysicalCopyFromBeingPossibleIsNamed(t *testing.T) {
	for _, major := range pg.Every(2, 0, []int{13, 15}) {
		blue := pg.Start(t, major, pg.Logical)
		blue.Exec("", "CREATE DATABASE d")
		blue.Exec("d", "CREATE TABLE fine (id int PRIMARY KEY, c regclass, r regrole[], y regtype); CREATE TABLE kept (id int PRIMARY KEY, old fine)")
		req := preflight.Request{Target: 18, Databases: []string{"d"}, Names: postgres.Names{UID: pg.UpgradeUID}}
		objects := func() (all []string) {
			t.Helper()
			found, err := preflight.PhysicalCopy(t.Context(), blue.Server, req)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				if f.Name != "physical_copy" || f.Blocks() || f.Why == "" {
					t.Errorf("%+v", f)
				}
				all = append(all, strings.TrimSpace(f.Database+" "+f.Object))
			}
			slices.Sort(all)
			return all
		}
		if found := objects(); len(found) > 0 {
			t.Errorf("an ordinary server: %q", found)
		}
		blue.Exec("d", `CREATE DOMAIN called AS regproc; CREATE TYPE pair AS (a int, b called); CREATE TABLE calls (id int PRIMARY KEY, what pair[]);
			CREATE MATERIALIZED VIEW rights AS SELECT relacl FROM pg_class`)
		want := []string{"d column relacl of table public.rights", "d column what of table public.calls"}
		if found := objects(); !slices.Equal(found, want) {
			t.Errorf("types: %q", found)
		}
		blue.Exec("d", "DROP TABLE calls; DROP MATERIALIZED VIEW rights")
		req.Target = major - 1
		if found := objects(); len(found) != 1 || !strings.HasPrefix(found[0], "version") {
			t.Errorf("a downgrade: %q", found)
		}
	}
}

// TestAServerThatRefusesReplicationIsAskedBeforehand, since "all" in pg_hba.conf doesn't cover it.
func TestAServerThatRefusesReplicationIsAskedBeforehand(t *testing.T) {
	blue := pg.Start(t, 15, pg.Logical)
	blue.Exec("", "CREATE DATABASE d")
	blue.Shell(t.Context(), `grep -v replication "$1/pg_hba.conf" >/tmp/hba && echo 'host all all all scram-sha-256' >>/tmp/hba && cp /tmp/hba "$1/pg_hba.conf"`)
	blue.Exec("", "SELECT pg_reload_conf()")
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		found, err := preflight.PhysicalCopy(t.Context(), blue.Server, preflight.Request{Target: 17, Databases: []string{"d"}, Names: postgres.Names{UID: pg.UpgradeUID}})
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 1 && found[0].Object == "pg_hba.conf" && strings.Contains(found[0].Fix, "host replication postgres all") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("a login for replication isn't refused: %+v", found)
		}
	}
}
