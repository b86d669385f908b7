package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/patch"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/objects"
	"github.com/gitover/gitover/test/pg"
)

// comparing is an upgrade of a real server that has come to Verify, and whose comparison hangs: somebody has locked a
// table on the new one.
type comparing struct {
	*testing.T
	r           *UpgradeReconciler
	u           *v1alpha1.PgUpgrade
	seen        *observed
	client      client.Client
	blue, green *pg.Server
	unlock      func()
}

func aHangingComparison(t *testing.T) *comparing {
	c, u, _ := anAPIServer(t, steps.Upgrade, steps.Verify, "orders-15", "orders-15")
	w := &comparing{T: t, u: u, client: c, blue: pg.Start(t, 15, pg.Logical), green: pg.Start(t, 17, pg.Logical)}
	u.Status.Databases, u.Spec.Version = []string{"d"}, "17"
	u.UID = "12345678-1234-1234-1234-123456789012"
	blue, green, names := w.blue.Server, w.green.Server, postgres.Names{UID: string(u.UID)}
	blue.Instance, green.Instance = u.Status.From, u.Status.To
	for _, s := range []*pg.Server{w.blue, w.green} {
		s.Exec("", "CREATE DATABASE d")
		s.Exec("d", "CREATE TABLE t (id int PRIMARY KEY)")
		w.must(replication.EnsureMarker(t.Context(), s.Server, "d"))
	}
	w.blue.Exec("d", "INSERT INTO t SELECT generate_series(1, 1000); ANALYZE t")
	w.must(replication.CreatePublication(t.Context(), blue, "d", names))
	w.must(replication.CreateSlot(t.Context(), blue, "d", names, green.Instance))
	w.must(replication.CreateSubscription(t.Context(), green, replication.SubscribeOptions{Publisher: blue, Database: "d", Names: names, CopyData: true}))
	w.eventually("all is copied", func() bool {
		return w.green.Query("d", "SELECT count(*) = 1000 AND (SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel) FROM t") == "t"
	})
	conn, err := w.green.Connect(t.Context(), "d")
	w.must(err)
	_, err = conn.Exec(t.Context(), "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
	w.must(err)
	w.unlock = func() { _ = conn.Close(context.WithoutCancel(t.Context())) }
	t.Cleanup(w.unlock)

	w.r = &UpgradeReconciler{Client: c, Uncached: c, Recorder: record.NewFakeRecorder(100), Now: time.Now,
		fleet: func(*v1alpha1.PgUpgrade) steps.Git {
			return &busyGit{commits: map[string]bool{}, meanwhile: func() {}}
		},
		server: func(instance string) postgres.Server {
			if instance == blue.Instance {
				return blue
			}
			return green
		}}
	w.r.background.wake = make(chan event.TypedGenericEvent[*v1alpha1.PgUpgrade])
	t.Cleanup(w.r.background.stop)
	w.seen = &observed{facts: steps.Facts{Name: u.Name, Wanted: "17"}}
	w.must(w.r.observeProxy(t.Context(), u, w.seen))
	return w
}

func (w *comparing) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *comparing) eventually(what string, is func() bool) {
	w.Helper()
	eventually(w.T, 20*time.Second, is, func() string { return what })
}

// look as the controller does; a look never waits for an effect of hours.
func (w *comparing) look() outcome.Outcome {
	w.Helper()
	began := time.Now()
	o := w.r.runWorkflow(w.Context(), w.u, w.seen, patch.NewSerialPatcher(w.u, w.client))
	if took := time.Since(began); took > 10*time.Second {
		w.Errorf("a look took %s", took)
	}
	return o
}

func (w *comparing) goesOn() bool { return w.r.background.goesOn(w.u, slowName(w.u)) }

// statements that wait for the locked table
func (w *comparing) statements() string {
	return w.green.Query("", "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'client backend'")
}

func TestAComparisonOfHoursKeepsNothingFromBeingSeen(t *testing.T) {
	w := aHangingComparison(t)
	judgeOutcome(t, w.look(), steps.Verify, "comparing rows")
	w.eventually("the comparison waits for the lock", func() bool { return w.statements() == "1" })
	judgeOutcome(t, w.look(), steps.Verify, "comparing rows: 0 of about 1000 rows")

	limit := resource.MustParse("1")
	w.u.Spec.Limits.RetainedWAL = &limit
	w.blue.Exec("d", "INSERT INTO t VALUES (5000)") // that green can't apply
	o := w.look()
	judgeOutcome(t, o, v1alpha1.ReasonRetainedWAL, "spec.limits.retainedWAL")
	if !o.Stalled || !w.goesOn() || !strings.Contains(o.Message, "comparing rows") {
		t.Errorf("stalled %v, comparison goes on %v: %s", o.Stalled, w.goesOn(), o.Message)
	}
	w.u.Spec.Limits.RetainedWAL = nil

	w.blue.Exec("", "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots")
	w.green.Exec("d", "ALTER SUBSCRIPTION "+postgres.Names{UID: string(w.u.UID)}.Subscription("d", "orders-17")+" DISABLE")
	judgeOutcome(t, w.look(), v1alpha1.ReasonReplicationBroken, "missing or disabled")
	if w.goesOn() {
		t.Error("rows are compared with a server that doesn't follow")
	}
	w.eventually("its statements are canceled", func() bool { return w.statements() == "0" })
}

func TestAVersionThatIsTakenBackEndsAComparison(t *testing.T) {
	w := aHangingComparison(t)
	w.look()
	w.eventually("the comparison waits for the lock", func() bool { return w.statements() == "1" })
	w.seen.facts.Wanted = "15"
	w.look()
	if w.u.Status.Workflow != steps.Abort || w.r.background.goesOn(w.u, slowName(w.u)) {
		t.Errorf("workflow %s, step %s", w.u.Status.Workflow, w.u.Status.Step)
	}
	w.eventually("its statements are canceled", func() bool { return w.statements() == "0" })
	if w.blue.Query("", "SELECT count(*) FROM pg_replication_slots") != "0" {
		t.Error("the slot is still there")
	}
}

func TestTheEndOfAComparisonLeadsOn(t *testing.T) {
	w := aHangingComparison(t)
	w.look()
	w.unlock()
	select {
	case e := <-w.r.background.wake:
		if e.Object.Name != w.u.Name || e.Object.Namespace != w.u.Namespace {
			t.Errorf("woke %s/%s", e.Object.Namespace, e.Object.Name)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the end of the comparison wakes nobody")
	}
	w.look()
	v := w.u.Status.Verification
	if v == nil || v.Rows != 1000 || len(v.Mismatches) > 0 || w.u.Status.Comparing != nil || w.u.Status.Step == steps.Verify {
		t.Errorf("step %s, verification %+v, comparing %+v", w.u.Status.Step, v, w.u.Status.Comparing)
	}
}

func TestSlowEffectsTakeTurns(t *testing.T) {
	var b background
	t.Cleanup(b.stop)
	running, leave := make(chan string, 2*effectsAtOnce), make(chan struct{})
	upgrades := make([]*v1alpha1.PgUpgrade, effectsAtOnce+1)
	for i := range upgrades {
		upgrades[i] = objects.Upgrade()
		upgrades[i].Name = fmt.Sprint(i)
		if _, err := b.of(t.Context(), upgrades[i], "copy", func(ctx context.Context, _ *slowEffect) error {
			running <- fmt.Sprint(i)
			select {
			case <-leave:
				return errors.New("done")
			case <-ctx.Done():
				return ctx.Err()
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	for range effectsAtOnce {
		<-running
	}
	select {
	case who := <-running:
		t.Fatalf("%s runs beside %d others", who, effectsAtOnce)
	case <-time.After(50 * time.Millisecond):
	}
	leave <- struct{}{}
	select {
	case <-running:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody takes the turn that has become free")
	}
	// another effect of the same upgrade must wait until that one has ended
	if _, err := b.of(t.Context(), upgrades[0], "other", nil); err == nil {
		t.Error("two effects of one upgrade")
	}
	b.stop()
	if _, err := b.of(t.Context(), objects.Upgrade(), "late", nil); !errors.Is(err, errEnded) {
		t.Errorf("begun after the end: %v", err)
	}
}

func TestWhatAnEffectToldIsShownOnlyInItsOwnAttempt(t *testing.T) {
	var b background
	t.Cleanup(b.stop)
	u := objects.Upgrade()
	u.Status.Run, u.Status.Attempt = "r", 1
	tell := func() *slowEffect {
		e, err := b.of(t.Context(), u, "compare", func(_ context.Context, e *slowEffect) error {
			e.tell(func(s *v1alpha1.PgUpgradeStatus) { s.Comparing = &v1alpha1.ComparingStatus{Table: "first"} })
			e.tell(func(s *v1alpha1.PgUpgradeStatus) { s.Comparing = &v1alpha1.ComparingStatus{Table: "last"} })
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		<-e.over
		return e
	}
	if over, err := b.take(t.Context(), u, tell()); !over || err != nil || u.Status.Comparing == nil || u.Status.Comparing.Table != "last" {
		t.Errorf("over %v, %v, %+v", over, err, u.Status.Comparing)
	}
	e := tell()
	u.Status.Attempt, u.Status.Comparing = 2, nil
	if over, err := b.take(t.Context(), u, e); !over || err != nil || u.Status.Comparing != nil {
		t.Errorf("over %v, %v, %+v", over, err, u.Status.Comparing)
	}
}
