package steps

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/test/pg"
)

// pair is an upgrade whose steps are called by hand.
type pair struct {
	t           *testing.T
	run         *Run
	blue, green *pg.Server
	// databases that are replicated; all are made of d.
	databases []string
}

// manySlots is room for a slot of each of many databases.
var manySlots = pg.Settings{"wal_level": "logical", "max_replication_slots": "60", "max_wal_senders": "120", "max_connections": "200"}

func newPair(t *testing.T, from, to int) *pair {
	t.Helper()
	return newPairWith(t, from, to, pg.Logical)
}

func newPairWith(t *testing.T, from, to int, onGreen pg.Settings) *pair {
	t.Helper()
	return newPairFilled(t, from, to, onGreen, func(*pair) {})
}

// newPairFilled has fill make what is there before the copy begins.
func newPairFilled(t *testing.T, from, to int, onGreen pg.Settings, fill func(*pair)) *pair {
	t.Helper()
	p := &pair{t: t, blue: pg.Start(t, from, manySlots), green: pg.Start(t, to, onGreen), databases: []string{"d"}}
	for _, s := range []*pg.Server{p.blue, p.green} {
		s.Exec("", "CREATE DATABASE d")
		s.Exec("d", "DROP SCHEMA public; CREATE SCHEMA public; CREATE TABLE first (id int PRIMARY KEY)") // its rights changed with 15
		if err := fence.EnsureRegister(t.Context(), s.Server, "gitover_agent", "secret"); err != nil {
			t.Fatal(err)
		}
	}
	fill(p)
	if err := fence.FenceStandby(t.Context(), p.green.Server, p.databases); err != nil {
		t.Fatal(err)
	}
	upgrade := &v1alpha1.PgUpgrade{}
	upgrade.UID = pg.UpgradeUID
	upgrade.Spec.Limits.LagStableFor = &metav1.Duration{Duration: time.Millisecond}
	p.run = &Run{
		Cluster: images{of: map[string]string{}},
		Upgrade: upgrade, Now: time.Now, Workers: &replication.Workers{}, Proxy: &v1alpha1.PgProxy{},
		Status: &v1alpha1.PgUpgradeStatus{From: p.blue.Instance, To: p.green.Instance, Databases: p.databases,
			Verification: &v1alpha1.VerificationStatus{}}, // stories that compare rows take it away
		Server: func(_ context.Context, instance string) (postgres.Server, error) {
			if instance == p.blue.Instance {
				return p.blue.Server, nil
			}
			return p.green.Server, nil
		},
	}
	if err := publishRun(t.Context(), p.run); err != nil {
		t.Fatal(err)
	}
	return p
}

// until walks a step until stop likes a verdict.
func (p *pair) until(name, what string, stop func(Verdict) bool) Verdict {
	p.t.Helper()
	p.run.Status.Step = name
	step, _ := Find(Upgrade, name)
	var v Verdict
	for limit := time.Now().Add(time.Duration(25+5*len(p.databases)) * time.Second); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		var err error
		ctx, end := postgres.ShareSessions(p.t.Context()) // as a controller's look does
		v, err = step.Done(ctx, p.run)
		end()
		if err != nil {
			p.t.Fatal(err)
		}
		if stop(v) {
			return v
		}
		if v.RunNeeded {
			effect := step.Run
			if v.Effect != nil {
				effect = v.Effect
			}
			if err := effect(p.t.Context(), p.run); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	p.t.Fatalf("%s: never %s, but %+v", name, what, v)
	return v
}

func (p *pair) done(step string) {
	p.t.Helper()
	p.until(step, "done", func(v Verdict) bool { return v.Done })
}

// says waits for a verdict of that reason with all of words.
func (p *pair) says(step, reason string, words ...string) {
	p.t.Helper()
	p.until(step, reason+" "+strings.Join(words, ", "), func(v Verdict) bool {
		all := v.Reason == reason && !v.Done && !v.RunNeeded
		for _, w := range words {
			all = all && strings.Contains(v.Message, w)
		}
		return all
	})
}

func (p *pair) both(sql string) {
	p.blue.Exec("d", sql)
	p.green.Exec("d", sql)
}

// arrives fails unless green comes to have what a query says.
func (p *pair) arrives(query, want string) {
	p.t.Helper()
	var got string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if got = p.green.Query("d", query); got == want {
			return
		}
	}
	p.t.Errorf("%s: %q, want %q", query, got, want)
}

// Every story ends with its rows on green: before the tables are known, PostgreSQL skips their changes.
func TestATableThatIsMadeWhileAnUpgradeRunsIsCopiedOnceItIsOnBothSides(t *testing.T) {
	for _, versions := range [][2]int{{15, 17}, {postgres.Latest, postgres.Oldest}} {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPair(t, versions[0], versions[1])
			p.done(CopyData)
			p.blue.Exec("d", "CREATE TABLE second (id int PRIMARY KEY); INSERT INTO second VALUES (1)")
			p.says(CopyData, v1alpha1.ReasonSchemaDrift, "public.second isn't on "+p.green.Instance)
			p.green.Exec("d", "CREATE TABLE second (id int PRIMARY KEY)")
			p.blue.Exec("d", "INSERT INTO second VALUES (2)")
			p.done(CopyData)
			p.done(CatchUp)
			p.blue.Exec("d", "INSERT INTO second VALUES (3)")
			p.arrives("SELECT string_agg(id::text, ' ' ORDER BY id) FROM second", "1 2 3")

			p.both("CREATE TABLE third (id int PRIMARY KEY)")
			p.blue.Exec("d", "INSERT INTO third VALUES (1)")
			p.run.Proxy.Status.Switch = &v1alpha1.SwitchStatus{}
			p.says(CatchUp, v1alpha1.ReasonReplicationBroken, "public.third isn't replicated yet")
			p.run.Proxy.Status.Switch = nil
			p.blue.Exec("d", "CREATE INDEX more ON third (id)")
			p.says(CatchUp, v1alpha1.ReasonSchemaDrift, "public.third isn't replicated yet", "index public.more is missing")
			p.green.Exec("d", "CREATE INDEX more ON third (id)")
			p.done(Approve)
			p.arrives("SELECT count(*) FROM third", "1")
		})
	}
}

func TestATableWithRowsOnGreenIsNamedAndNotEmptied(t *testing.T) {
	p := newPair(t, 15, 17)
	p.done(CopyData)
	p.both("CREATE TABLE kinds (id int PRIMARY KEY); INSERT INTO kinds VALUES (1), (2); ALTER TABLE first ADD COLUMN kind int REFERENCES kinds")
	p.says(CatchUp, v1alpha1.ReasonReplicationBroken, "public.kinds isn't replicated yet and has rows on "+p.green.Instance)
	left, err := replication.UnreplicatedTables(t.Context(), p.blue.Server, p.green.Server, "d", p.run.Names())
	if err != nil || len(left) != 1 || !left[0].Referenced {
		t.Fatalf("%+v, %v", left, err)
	}
	p.says(CatchUp, v1alpha1.ReasonReplicationBroken, left[0].FixSQL())
	if got := p.green.Query("d", "SELECT count(*) FROM kinds"); got != "2" {
		t.Errorf("%s rows are left", got)
	}
	p.blue.Exec("d", "DELETE FROM kinds WHERE id = 2")
	p.green.Exec("d", left[0].FixSQL())
	p.done(CatchUp)
	p.arrives("SELECT string_agg(id::text, ' ') FROM kinds", "1")
}

// A crash of the side that follows, in the middle of the copy, costs time and no row.
func TestATableIsTakenUpOverACrashOfTheSideThatFollows(t *testing.T) {
	p := newPair(t, 15, 17)
	p.done(CopyData)
	p.both("CREATE TABLE second (id int PRIMARY KEY, what text)")
	p.blue.Exec("d", "INSERT INTO second SELECT n, repeat('x', 200) FROM generate_series(1, 300000) n")
	p.says(CatchUp, CatchUp, "public.second is being copied")
	p.green.Kill()
	p.green.Run()
	p.blue.Exec("d", "DELETE FROM second WHERE id = 1")
	p.done(CatchUp)
	p.arrives("SELECT count(*) FROM second", "299999")
}

func TestADatabaseThatComesWhileAnUpgradeRunsIsNamedBeforeTheCutoverCommit(t *testing.T) {
	p := newPair(t, 15, 17)
	p.done(CopyData)
	p.done(Approve)
	p.blue.Exec("", "CREATE DATABASE later")
	p.says(Approve, Approve, `database "later" of `+p.blue.Instance, "drop it")
	p.run.Upgrade.Spec.Databases.Exclude = []string{"later"}
	p.done(Approve)
}

func TestNoTableIsCopiedToAServerThatIsOpen(t *testing.T) {
	p := newPair(t, 15, 17)
	p.done(CopyData)
	p.green.Exec("", "ALTER DATABASE d CONNECTION LIMIT -1")
	p.both("CREATE TABLE second (id int PRIMARY KEY)")
	left, err := replication.RefreshPublication(t.Context(), p.blue.Server, p.green.Server, "d", p.run.Names(), schema.Whole)
	if err == nil || !strings.Contains(err.Error(), "isn't fenced") {
		t.Errorf("%+v, %v", left, err)
	}
}
