package steps

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/pg"
)

const identities = `SELECT string_agg(relname || ' ' || relreplident::text, ', ' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`

// has fails unless tables of both servers have these identities.
func (p *pair) has(when, want string) {
	p.t.Helper()
	for _, s := range []*pg.Server{p.blue, p.green} {
		if got := s.Query("d", identities); got != want {
			p.t.Errorf("%s %s has %q, not %q", when, s.Instance, got, want)
		}
	}
}

// Tables without a key come while green is being copied, and while it follows, on both sides each. At the end, all is as it was.
func TestATableThatComesWithoutAKeyGetsAReplicaIdentityForTheTimeOfTheUpgrade(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{15, 17}, [2]int{18, 13}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPair(t, versions[0], versions[1])
			p.both("CREATE TABLE early (id int, what text); CREATE TABLE early_key (id int NOT NULL UNIQUE, what text)")
			p.says(CopyData, v1alpha1.ReasonReplicationBroken, "on both sides, run ALTER TABLE public.early REPLICA IDENTITY FULL", "ALTER TABLE public.early_key REPLICA IDENTITY USING INDEX early_key_id_key")
			p.run.Upgrade.Spec.ReplicaIdentity = "Auto"
			p.done(CopyData)
			p.has("before green has its indexes", "early d, early_key d, first d")

			// a crash between the sides, as somebody's lock makes it
			holder, err := p.blue.Connect(t.Context(), "d")
			if err == nil {
				_, err = holder.Exec(t.Context(), "BEGIN; SELECT FROM early")
			}
			if err != nil {
				t.Fatal(err)
			}
			p.run.Status.Step = CatchUp
			if err := followRun(t.Context(), p.run); !replication.TableInUse(err) {
				t.Fatalf("the table is in use, but %v", err)
			}
			if err := holder.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := p.green.Query("d", identities); got != "early f, early_key i, first d" {
				t.Errorf("the side that follows goes first: %q", got)
			}
			v := p.until(CatchUp, "done", func(v Verdict) bool { return v.Done })
			if !strings.Contains(v.Message, `for the time of the upgrade, Gitover gave table public.early: REPLICA IDENTITY FULL, before DEFAULT (database "d")`) {
				t.Errorf("people hear of it: %q", v.Message)
			}
			p.both("CREATE TABLE late (id int, what text)")
			p.done(Approve)
			p.has("while it follows", "early f, early_key i, first d, late f")
			for _, table := range []string{"early", "early_key", "late"} {
				p.blue.Exec("d", fmt.Sprintf("INSERT INTO %s VALUES (1, 'a'), (2, 'b'); UPDATE %[1]s SET what = 'z' WHERE id = 2; DELETE FROM %[1]s WHERE id = 1", table))
				p.arrives("SELECT string_agg(id || what, ' ') FROM "+table, "2z")
			}
			shown := p.run.Status.ReplicaIdentities
			if shown == nil || shown.Tables != 3 || !slices.Contains(shown.First, v1alpha1.TableReplicaIdentity{Database: "d", Table: "public.late", Identity: "FULL", Former: "DEFAULT"}) {
				t.Errorf("the status has %+v", shown)
			}

			p.blue.Exec("d", "ALTER TABLE late REPLICA IDENTITY NOTHING")
			v, err = stopReplicationDone(t.Context(), p.run)
			if err != nil || v.Reason != v1alpha1.ReasonReplicaIdentity ||
				!strings.Contains(v.Message, `table public.late of database "d" keeps REPLICA IDENTITY NOTHING, not DEFAULT as before the upgrade: it was changed to NOTHING since`) {
				t.Errorf("it isn't said that somebody's identity stays: %+v, %v", v, err)
			}
			for range 2 {
				if err := stopReplicationRun(t.Context(), p.run); err != nil {
					t.Fatal(err)
				}
			}
			if v, err := stopReplicationDone(t.Context(), p.run); err != nil || !v.Done || p.run.Status.ReplicaIdentities != nil {
				t.Errorf("%+v, %v, %+v", v, err, p.run.Status.ReplicaIdentities)
			}
			p.blue.Exec("d", "ALTER TABLE late REPLICA IDENTITY DEFAULT")
			p.has("at the end", "early d, early_key d, first d, late d")
		})
	}
}
