package steps

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// soaking is a pair of which the first serves and the other follows.
func soaking(t *testing.T, serves, follows int) *pair {
	t.Helper()
	p := newPair(t, serves, follows)
	p.blue.Exec("d", "INSERT INTO first SELECT generate_series(1, 100)")
	p.done(CopyData)
	p.done(CatchUp)
	p.run.Status.Workflow, p.run.Status.Step, p.run.Status.From, p.run.Status.To = Upgrade, Soak, p.green.Instance, p.blue.Instance
	p.run.Status.Verification = nil
	since := timestamp(p.run.Now())
	p.run.Upgrade.Name, p.run.Git = "test", branch{untouched{t}, p.blue.Instance}
	p.run.Proxy = aProxy(p.blue.Instance, p.blue.Instance, "")
	p.run.Proxy.Status.ActiveSince = &since
	if said := p.recovers(""); len(said) > 0 {
		t.Fatalf("nothing happened: %q", said)
	}
	return p
}

// recovers looks as a soak does until nothing is left to recover from, or until it has this reason, and says what was said.
func (p *pair) recovers(until string) (said []string) {
	p.t.Helper()
	var v *Verdict
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		p.connects()
		look, err := soakDone(p.t.Context(), p.run)
		if err != nil {
			p.t.Fatal(err)
		}
		if v = &look; v.Reason == v1alpha1.ReasonSoakInProgress {
			if until != "" {
				p.t.Fatalf("recovered from, and never %s: %q", until, said)
			}
			return said
		}
		if len(said) == 0 || said[len(said)-1] != v.Message {
			said = append(said, v.Message)
		}
		if until != "" && v.Reason == until {
			return said
		}
		if v.Effect != nil {
			if err := v.Effect(p.t.Context(), p.run); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	p.t.Fatalf("not recovered from: %+v; %q", v, said)
	return nil
}

// connects subscriptions to the servers' present addresses, as the PgProxy does: a test's servers change their ports.
func (p *pair) connects() {
	p.t.Helper()
	if _, err := renewConnections(p.t.Context(), p.run); err != nil {
		p.t.Fatal(err)
	}
	if p.run.Status.From == p.green.Instance {
		if _, err := replication.RenewConnection(p.t.Context(), p.blue.Server, p.green.Server, "d", p.run.Names()); err != nil {
			p.t.Fatal(err)
		}
	}
}

// equal says that both sides have the same rows, and that the next one arrives.
func (p *pair) equal() {
	p.t.Helper()
	p.blue.Exec("d", "INSERT INTO first SELECT max(id) + 1 FROM first")
	p.arrives("SELECT count(*) || ' ' || sum(id) FROM first", p.blue.Query("d", "SELECT count(*) || ' ' || sum(id) FROM first"))
	if f := p.run.Status.Failover; f != nil {
		p.t.Errorf("%+v", f)
	}
}

// TestTheWayBackIsMadeAgainWhenTheServingPrimaryIsReplaced: its slot is gone, so the other side is copied again.
func TestTheWayBackIsMadeAgainWhenTheServingPrimaryIsReplaced(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{17, 15}, [2]int{15, 17}, [2]int{postgres.Oldest, postgres.Latest}) {
		t.Run(fmt.Sprintf("%d serves, %d follows", versions[0], versions[1]), func(t *testing.T) {
			p := soaking(t, versions[0], versions[1])
			standby := p.blue.Standby(t)
			p.failsOver(&p.blue, standby)
			p.blue.Exec("d", "DELETE FROM first WHERE id < 10; INSERT INTO first VALUES (5)")
			said := p.recovers("")
			if !told(said, "the primary of "+p.blue.Instance+" was replaced", p.green.Instance+" is copied again", "comparing rows") {
				t.Errorf("%q", said)
			}
			p.equal()
		})
	}
}

// TestTheWayBackGoesOnWhereStandbysHaveItsSlots: rows are compared, and none is copied again.
func TestTheWayBackGoesOnWhereStandbysHaveItsSlots(t *testing.T) {
	p := soaking(t, 17, 15)
	standby := p.blue.StandbyWithSlots(t)
	p.blue.Exec("d", "INSERT INTO first VALUES (1001)")
	standby.HasSlots(p.blue)
	p.failsOver(&p.blue, standby)
	p.blue.Exec("", "ALTER SYSTEM RESET synchronized_standby_slots")
	p.blue.Exec("", "SELECT pg_reload_conf()")
	p.blue.Exec("d", "INSERT INTO first VALUES (1002)")
	p.connects()
	p.arrives("SELECT count(*) FROM first WHERE id = 1002", "1") // from the new primary, before anything looks
	if said := p.recovers(""); !told(said, "comparing rows") || told(said, "copied again") {
		t.Errorf("%q", said)
	}
	p.equal()
}

// TestWhatWasWrittenOnAWayBackThatForgotItsFenceIsNotOverwritten, also if the PgProxy's controller has fenced it again by now.
func TestWhatWasWrittenOnAWayBackThatForgotItsFenceIsNotOverwritten(t *testing.T) {
	for _, fencedAgain := range pg.Every(2, 1, []bool{false, true}) {
		p := soaking(t, 17, 15)
		p.failsOver(&p.green, p.green.Standby(t))
		p.green.Exec("", "ALTER DATABASE d CONNECTION LIMIT -1")
		p.green.Exec("d", "INSERT INTO first VALUES (3000)")
		if fencedAgain {
			p.green.Exec("", "ALTER DATABASE d CONNECTION LIMIT 0")
			p.fencedAgain()
		}
		said := p.recovers(v1alpha1.ReasonCommitsLost)
		if !told(said, "let applications in", p.green.Instance+" has, or may have, commits", "spec.retry") {
			t.Errorf("%q", said)
		}
		p.green.Exec("", "ALTER DATABASE d CONNECTION LIMIT 0")
		p.run.Upgrade.Spec.Retry = "1"
		p.recovers("")
		p.equal()
		if n := p.green.Query("d", "SELECT count(*) FROM first WHERE id = 3000"); n != "0" {
			t.Errorf("%s rows that the serving side doesn't have", n)
		}
	}
}

// fencedAgain is what the PgProxy's controller says before it fences the side that follows again.
func (p *pair) fencedAgain() {
	p.t.Helper()
	now, err := failover.Identities(p.t.Context(), p.green.Server)
	if err != nil {
		p.t.Fatal(err)
	}
	p.run.Proxy.Status.FencedAgain = &v1alpha1.FencedAgainStatus{ServerIdentity: now[0], At: metav1.NowMicro()}
}

// TestRowsAreComparedWhenPeopleHadOpenedTheSideThatFollows, each time that it was fenced again and only then: what applications wrote there
// is asked about, and nothing is if they wrote nothing.
func TestRowsAreComparedWhenPeopleHadOpenedTheSideThatFollows(t *testing.T) {
	p := soaking(t, 17, 15)
	open, shut := "ALTER DATABASE d CONNECTION LIMIT -1", "ALTER DATABASE d CONNECTION LIMIT 0"
	p.green.Exec("", open)
	p.fencedAgain()
	v, err := soakDone(t.Context(), p.run)
	if err != nil || v.Reason != v1alpha1.ReasonPrimaryReplaced || LosesNothing(*p.run.Status, p.run.Proxy) {
		t.Fatalf("%+v, %v", v, err)
	}
	if v, err = soakDone(t.Context(), p.run); err != nil || !strings.Contains(v.Message, "rows are compared once") || v.Effect != nil {
		t.Fatalf("rows are compared while applications can write: %+v, %v", v, err)
	}
	p.green.Exec("", shut)
	if said := p.recovers(""); !told(said, "comparing rows") || told(said, "copied again") {
		t.Errorf("%q", said)
	}
	p.equal()
	if said := p.recovers(""); len(said) > 0 { // also after a restart: all that is known is in the status
		t.Errorf("it was noted before: %q", said)
	}

	p.green.Exec("d", "INSERT INTO first VALUES (3000)")
	p.fencedAgain()
	said := p.recovers(v1alpha1.ReasonCommitsLost)
	if !told(said, "let applications in, though "+p.blue.Instance+" serves", "comparing rows", p.green.Instance+" has, or may have, commits", "spec.retry") {
		t.Errorf("%q", said)
	}
	p.run.FreshProxy = func(context.Context) (*v1alpha1.PgProxy, error) {
		p.green.Exec("d", "INSERT INTO first VALUES (3001)")
		p.fencedAgain() // between the consent and the copy
		return p.run.Proxy, nil
	}
	p.run.Upgrade.Spec.Retry = "1"
	v, err = soakDone(t.Context(), p.run)
	if err != nil || v.Effect == nil {
		t.Fatalf("%+v, %v", v, err)
	}
	if err := v.Effect(t.Context(), p.run); err == nil || !strings.Contains(err.Error(), "let applications in a moment ago") {
		t.Errorf("%v", err)
	}
	p.run.FreshProxy = func(context.Context) (*v1alpha1.PgProxy, error) { return p.run.Proxy, nil }
	p.recovers(v1alpha1.ReasonCommitsLost)
	if n := p.green.Query("d", "SELECT count(*) FROM first WHERE id > 2999"); n != "2" {
		t.Errorf("%s of 2 rows are left", n)
	}
	p.run.Upgrade.Spec.Retry = "2"
	p.recovers("")
	p.equal()
}

// TestRowsThatTheWayBackLosesWithItsPrimaryAreCopiedAgain, and what a standby lacks that is older than its subscription.
func TestRowsThatTheWayBackLosesWithItsPrimaryAreCopiedAgain(t *testing.T) {
	p := soaking(t, 17, 15)
	p.losesRowsAfter(100)
	if said := p.recovers(""); !told(said, "the primary of "+p.green.Instance+" was replaced", "comparing rows", p.green.Instance+" is copied again") {
		t.Errorf("%q", said)
	}
	p.equal()

	name := p.run.Names().Subscription("d", p.green.Instance)
	p.failsOver(&p.green, p.green.Standby(t))
	if err := replication.DropSubscription(t.Context(), p.green.Server, "d", name); err != nil {
		t.Fatal(err)
	}
	if said := p.recovers(""); !told(said, p.green.Instance+" is copied again") {
		t.Errorf("%q", said)
	}
	p.equal()
}

// TestWhoSaysThatStandbysLackNothingDoesNotWaitForAComparison; what was lost is copied again all the same.
func TestWhoSaysThatStandbysLackNothingDoesNotWaitForAComparison(t *testing.T) {
	p := soaking(t, 17, 15)
	p.run.Upgrade.Spec.Acknowledge = []string{switchover.ReplacedPrimary}
	p.failsOver(&p.green, p.green.Standby(t))
	if said := p.recovers(""); len(said) > 0 {
		t.Errorf("nothing was lost: %q", said)
	}
	p.failsOver(&p.blue, p.blue.Standby(t))
	p.blue.Exec("d", "DELETE FROM first WHERE id < 10")
	if said := p.recovers(""); !told(said, p.green.Instance+" is copied again") || told(said, "comparing rows") {
		t.Errorf("%q", said)
	}
	p.equal()
}

// TestNothingIsCopiedAgainOnceASwitchHasBegun: the side that follows may be the one that serves next.
func TestNothingIsCopiedAgainOnceASwitchHasBegun(t *testing.T) {
	p := soaking(t, 17, 15)
	p.failsOver(&p.blue, p.blue.Standby(t))
	p.run.FreshProxy = func(context.Context) (*v1alpha1.PgProxy, error) {
		return aProxy(p.blue.Instance, p.green.Instance, p.green.Instance), nil
	}
	if v, err := recovers(t.Context(), p.run, p.blue.Instance, p.green.Instance); err != nil || v.Reason != v1alpha1.ReasonPrimaryReplaced || v.RunNeeded {
		t.Fatalf("it acts before it is stored: %+v, %v", v, err)
	}
	v, err := recovers(t.Context(), p.run, p.blue.Instance, p.green.Instance)
	if err != nil || v.Effect == nil {
		t.Fatalf("%+v, %v", v, err)
	}
	if err := v.Effect(t.Context(), p.run); err == nil || !strings.Contains(err.Error(), "a switch to "+p.green.Instance+" has begun") {
		t.Errorf("%v", err)
	}
	if n := p.green.Query("d", "SELECT count(*) FROM first"); n != "100" {
		t.Errorf("%s rows are left of 100", n)
	}
}
