package steps

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// losesCommit has a standby take the place of the side that serves that lacks row 2000, which the other side has.
func (p *pair) losesCommit(standby *pg.Server) {
	p.t.Helper()
	standby.Stop()
	p.blue.Exec("d", "INSERT INTO first VALUES (2000)")
	p.arrives("SELECT count(*) FROM first WHERE id = 2000", "1")
	p.blue.Kill()
	standby.Run()
	standby.Promote()
	p.blue = standby
}

// peopleBringItBack: row 2000, which wasn't overwritten, and consent to another copy.
func (p *pair) peopleBringItBack() {
	p.t.Helper()
	if n := p.green.Query("d", "SELECT count(*) FROM first WHERE id = 2000"); n != "1" {
		p.t.Fatal("the last copy of a row was overwritten")
	}
	p.blue.Exec("d", "INSERT INTO first VALUES (2000)")
	p.consents()
}

// consents to what was asked: the side that follows is copied again.
func (p *pair) consents() {
	p.t.Helper()
	p.run.Upgrade.Spec.Retry = "1"
	if said := p.recovers(""); !told(said, p.green.Instance+" is copied again") {
		p.t.Errorf("%q", said)
	}
	p.equal()
}

// TestCommitsThatAreLostThoughTheSlotIsThereAreNotOverwritten: subscribers got what the standby that was promoted lacks.
func TestCommitsThatAreLostThoughTheSlotIsThereAreNotOverwritten(t *testing.T) {
	p := soaking(t, 17, 15)
	p.run.Upgrade.Spec.Acknowledge = []string{switchover.ReplacedPrimary}
	standby := p.blue.StandbyWithSlots(t)
	standby.HasSlots(p.blue)
	p.blue.Exec("", "ALTER SYSTEM RESET synchronized_standby_slots")
	p.blue.Exec("", "SELECT pg_reload_conf()")
	p.losesCommit(standby)
	p.blue.Exec("d", "INSERT INTO first VALUES (1002)")
	said := p.recovers(v1alpha1.ReasonCommitsLost)
	if !told(said, "comparing rows", p.green.Instance+" has, or may have, commits that clients saw confirmed and "+p.blue.Instance+" lacks (databases: d)") || told(said, "copied again, since") {
		t.Errorf("%q", said)
	}
	p.peopleBringItBack()
}

// TestALastCopyIsNotRemovedWhenThePrimaryThatStaysIsReplacedAfterTheSoak: while the rollback path is there, the soak compares rows; then people decide.
func TestALastCopyIsNotRemovedWhenThePrimaryThatStaysIsReplacedAfterTheSoak(t *testing.T) {
	p := soaking(t, 17, 15)
	p.run.FreshProxy = func(context.Context) (*v1alpha1.PgProxy, error) { return p.run.Proxy, nil }
	blocked := func(step string) Verdict {
		t.Helper()
		p.run.Status.Step = step
		v, err := removalBlocked(t.Context(), p.run)
		if err != nil {
			t.Fatal(err)
		}
		return ptr.Deref(v, Verdict{})
	}
	for _, step := range []string{StopReverse, CommitFinalize, AwaitPruned} {
		if v := blocked(step); v.Message != "" {
			t.Errorf("%s: nothing was replaced: %+v", step, v)
		}
	}
	standby := p.blue.StandbyWithSlots(t)
	standby.HasSlots(p.blue)
	p.failsOver(&p.blue, standby)
	if v := blocked(StopReverse); v.ReturnTo != Soak || v.Reason != v1alpha1.ReasonPrimaryReplaced {
		t.Errorf("the soak could compare rows: %+v", v)
	}
	if v := blocked(CommitFinalize); v.Reason != v1alpha1.ReasonCommitsLost || !strings.Contains(v.Message, p.green.Instance+", which is being removed, may have commits") {
		t.Fatalf("%+v", v)
	}
	if v := blocked(AwaitPruned); v.Reason != v1alpha1.ReasonCommitsLost || p.run.Status.Failover == nil {
		t.Fatalf("%+v", v)
	}
	p.run.Upgrade.Spec.Retry = "rows were looked at"
	if v := blocked(AwaitPruned); v.Message != "" || p.run.Status.Failover != nil || p.run.Status.HandledRetry != "rows were looked at" {
		t.Errorf("people's word: %+v, %+v", v, p.run.Status.Failover)
	}
	if v := blocked(CommitFinalize); v.Message != "" {
		t.Errorf("asked again: %+v", v)
	}

	for i := range p.run.Status.Servers { // as if that failover were noticed only now
		if s := &p.run.Status.Servers[i]; s.Instance == p.blue.Instance {
			s.Timeline--
		}
	}
	p.run.Status.Workflow, p.run.Status.From, p.run.Status.To = Abort, p.blue.Instance, p.green.Instance
	if v := blocked(StopReplication); v.Message != "" {
		t.Errorf("%s, which never served, isn't removed: %+v", p.green.Instance, v)
	}
	p.run.Proxy.Status.Switches = []v1alpha1.SwitchRecord{{From: p.green.Instance, To: p.blue.Instance, Outcome: "Switched", FinishedAt: metav1.NewMicroTime(p.run.Now())}}
	if v := blocked(StopReplication); v.Reason != v1alpha1.ReasonCommitsLost {
		t.Errorf("the last copy would be removed after a rollback: %+v", v)
	}
}

// TestASlotThatIsGoneWhileRowsAreComparedDoesNotHaveSuspectedRowsOverwritten: then nothing tells any more.
func TestASlotThatIsGoneWhileRowsAreComparedDoesNotHaveSuspectedRowsOverwritten(t *testing.T) {
	p := soaking(t, 17, 15)
	p.run.Status.Failover = &v1alpha1.FailoverStatus{Instance: p.blue.Instance, Message: "replaced", Suspected: []string{"d"}}
	p.green.Stop()
	p.says(Soak, v1alpha1.ReasonPrimaryReplaced, "may have commits")
	p.green.Run()
	if err := replication.DropSubscription(t.Context(), p.green.Server, "d", p.run.Names().Subscription("d", p.green.Instance)); err != nil {
		t.Fatal(err)
	}
	p.recovers(v1alpha1.ReasonCommitsLost)
	p.consents()
}

// TestCommitsThatOnlyTheWayBackHasAreNotOverwritten: a standby without them was promoted on the side that serves.
func TestCommitsThatOnlyTheWayBackHasAreNotOverwritten(t *testing.T) {
	p := soaking(t, 17, 15)
	p.run.Upgrade.Spec.Retry = "for a switch, days ago"
	standby := p.blue.Standby(t)
	p.losesCommit(standby)
	since := p.run.Proxy.Status.ActiveSince
	isOver := timestamp(since.Add(-48 * time.Hour))
	p.run.Proxy.Status.ActiveSince = &isOver
	goesOn := func(reason string) {
		t.Helper()
		v, err := soakDone(t.Context(), p.run)
		if err != nil { // of a slot that is missing; others have it
			var last *Verdict
			last, err = lastCopy(t.Context(), p.run, nil, nil)
			v = ptr.Deref(last, Verdict{Done: true})
		}
		if err != nil || v.Done || v.Reason != reason || !strings.Contains(v.Message, `commit spec.soak.finalizedVersion: "17" to end it`) {
			t.Fatalf("the last copy of a row would be removed: %+v, %v", v, err)
		}
	}
	p.green.Stop()
	goesOn(v1alpha1.ReasonPrimaryReplaced)
	p.green.Run()
	p.recovers(v1alpha1.ReasonCommitsLost)
	goesOn(v1alpha1.ReasonCommitsLost)
	p.green.Stop()
	goesOn(v1alpha1.ReasonCommitsLost)
	p.green.Run()
	p.run.Upgrade.Spec.Soak.FinalizedVersion = "17"
	if v, err := soakDone(t.Context(), p.run); err != nil || !v.Done {
		t.Errorf("people can't end it: %+v, %v", v, err)
	}
	p.run.Upgrade.Spec.Soak.FinalizedVersion, p.run.Proxy.Status.ActiveSince = "", since
	for range 2 {
		said := p.recovers(v1alpha1.ReasonCommitsLost)
		if !told(said, p.green.Instance+" has, or may have, commits that clients saw confirmed and "+p.blue.Instance+" lacks (databases: d)", "spec.retry") {
			t.Errorf("%q", said)
		}
	}
	p.peopleBringItBack()
}

// TestASlotOfTheWayBackThatPeopleDropIsMadeAgain, in the soak and while Gitover waits for a decision: the side that follows is copied again.
func TestASlotOfTheWayBackThatPeopleDropIsMadeAgain(t *testing.T) {
	p := soaking(t, 17, 15)
	dropped := func() {
		t.Helper()
		name := p.run.Names().Slot("d", p.green.Instance)
		p.blue.Exec("", "SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE active")
		if err := replication.DropSlot(t.Context(), p.blue.Server, name); err != nil {
			t.Fatal(err)
		}
		p.blue.Exec("d", "DELETE FROM first WHERE id < 10")
	}
	dropped()
	p.run.FreshProxy = func(context.Context) (*v1alpha1.PgProxy, error) {
		return aProxy(p.blue.Instance, p.green.Instance, p.green.Instance), nil
	}
	if v, err := soakDone(t.Context(), p.run); err != nil || v.Reason != v1alpha1.ReasonSwitching || p.run.Status.Failover != nil {
		t.Errorf("a switch that began during the look drops slots, too: %+v, %v", v, err)
	}
	p.run.FreshProxy = nil
	if said := p.recovers(""); !told(said, "replication slots on "+p.blue.Instance+" were dropped (databases: d)", p.green.Instance+" is copied again", "comparing rows") {
		t.Errorf("%q", said)
	}
	p.equal()

	p.run.Status.Workflow, p.run.Status.Step, p.run.Status.From, p.run.Status.To = RolledBack, AwaitDecision, p.blue.Instance, p.green.Instance
	dropped()
	v, err := awaitDecisionDone(t.Context(), p.run)
	if err != nil || v.Reason != v1alpha1.ReasonSlotLost || p.run.Status.Failover == nil {
		t.Errorf("%+v, %v", v, err)
	}
}
