package controllers

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/patch"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/test/objects"
)

// anAPIServer holds an upgrade from 15 to 17 at a step, and its proxy.
func anAPIServer(t *testing.T, workflow, step, active, target string) (client.Client, *v1alpha1.PgUpgrade, *v1alpha1.PgProxy) {
	t.Helper()
	scheme := schemeOf(t, v1alpha1.AddToScheme)
	u := objects.Upgrade()
	u.Spec.Version, u.Spec.ProxyRef.Name = "15", "orders"
	u.Status = v1alpha1.PgUpgradeStatus{Workflow: workflow, Step: step, Run: "orders-15-to-orders-17-x", From: "orders-15", To: "orders-17", Attempt: 1}
	p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "orders"}}
	p.Spec.UpgradeRef.Name, p.Spec.Target, p.Status.Active = "orders", target, active
	c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(u, p).WithObjects(u, p).Build()
	for _, o := range []client.Object{u, p} {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			t.Fatal(err)
		}
	}
	return c, u, p
}

// busyGit says that all is on the branch and applied; while something is pushed the world
// goes on.
type busyGit struct {
	steps.Git
	commits   map[string]bool
	meanwhile func()
}

func (g *busyGit) CommitState(_ context.Context, step string) (steps.CommitState, error) {
	if !g.commits[step] {
		return steps.CommitState{}, nil
	}
	return steps.CommitState{Commit: &v1alpha1.Commit{SHA: step}, Delivered: true}, nil
}

func (g *busyGit) Undelivered() (reason, message string) { return "", "" }

func (g *busyGit) Commit(_ context.Context, step string, _ steps.Evidence) error {
	g.commits[step] = true
	g.meanwhile()
	return nil
}

// Our cutover commit was pushed, the version taken back at once. While the return is
// pushed, Flux applies the cutover commit and traffic moves.
func TestARollbackRemovesNothingWhileTrafficReachesGreen(t *testing.T) {
	c, u, p := anAPIServer(t, steps.Rollback, steps.CommitRollback, "orders-15", "orders-15")
	git := &busyGit{commits: map[string]bool{steps.CommitCutover: true}, meanwhile: func() {
		p.Spec.Target = "orders-17"
		if err := c.Update(t.Context(), p); err != nil {
			t.Error(err)
		}
		p.Status.Active = "orders-17"
		if err := c.Status().Update(t.Context(), p); err != nil {
			t.Error(err)
		}
	}}
	r := &UpgradeReconciler{Client: c, Uncached: c, Recorder: record.NewFakeRecorder(32), Now: time.Now,
		fleet: func(*v1alpha1.PgUpgrade) steps.Git { return git }}
	s := &observed{facts: steps.Facts{Name: u.Name, Wanted: "15"}}
	if err := r.observeProxy(t.Context(), u, s); err != nil {
		t.Fatal(err)
	}
	o := r.runWorkflow(t.Context(), u, s, patch.NewSerialPatcher(u, c))
	if !git.commits[steps.CommitRollback] {
		t.Fatal("the return was not committed")
	}
	if u.Status.Workflow != steps.Rollback || u.Status.Step != steps.AwaitRollback {
		t.Errorf("went on to %s/%s: %s", u.Status.Workflow, u.Status.Step, o.Message)
	}
}

// The walk's own look is old, or another controller's status is: neither counts.
func TestAStepThatTakesSomethingAwayIsStoredBeforeItLooks(t *testing.T) {
	c, u, p := anAPIServer(t, steps.Upgrade, steps.StopReverse, "orders-17", "orders-17")
	r := &UpgradeReconciler{Client: c, Uncached: c, Now: time.Now}
	if live, err := r.live(t.Context(), u); err != nil || live.Status.Active != "orders-17" {
		t.Fatalf("%v, %v", live, err)
	}
	u.Status.Step = steps.CommitFinalize // decided, not persisted
	if _, err := r.live(t.Context(), u); err == nil || outcome.ReasonOf(err, "").Reason != v1alpha1.ReasonProgressing {
		t.Errorf("looked before it was stored: %v", err)
	}
	u.Status.Step = steps.StopReverse
	if err := c.Delete(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if live, err := r.live(t.Context(), u); err != nil || live != nil {
		t.Errorf("a PgProxy that doesn't exist: %v, %v", live, err)
	}
}

func TestNoSwitchBeginsToAnInstanceThatGoes(t *testing.T) {
	const blue, green = "orders-15", "orders-17"
	for _, s := range []struct {
		story, workflow, step, active, target string
		saysItself                            string // the PgUpgrade's own reason
		reason, says                          string // empty: allowed
	}{
		{"the soak has just ended", steps.Upgrade, steps.StopReverse, green, blue, "", v1alpha1.ReasonSwitchWaiting, "in time"},
		{"the soak has ended, and the revert came too late", steps.Upgrade, steps.StopReverse, green, blue, v1alpha1.ReasonConflictingSpec, v1alpha1.ReasonRollbackUnavailable, "Set spec.target to orders-17"},
		{"blue's removal is being committed", steps.Upgrade, steps.CommitFinalize, green, blue, "", v1alpha1.ReasonRollbackUnavailable, "the rollback path to orders-15 has ended"},
		{"blue's volumes go", steps.Upgrade, steps.AwaitPruned, green, blue, "", v1alpha1.ReasonRollbackUnavailable, "the rollback path to orders-15 has ended"},
		{"an abort", steps.Abort, steps.StopReplication, blue, green, "", v1alpha1.ReasonConflictingSpec, "Set spec.target to orders-15"},
		{"the end of a rollback", steps.Rollback, steps.AwaitGreenGone, blue, green, "", v1alpha1.ReasonConflictingSpec, "removes it (step AwaitGreenGone)"},
		{"back to blue in an abort", steps.Abort, steps.StopReplication, green, blue, "", "", ""},
		{"a revert during the soak", steps.Upgrade, steps.Soak, green, blue, "", "", ""},
		{"the return that a rollback committed", steps.Rollback, steps.AwaitRollback, green, blue, "", "", ""},
	} {
		t.Run(s.story, func(t *testing.T) {
			c, u, p := anAPIServer(t, s.workflow, s.step, s.active, s.target)
			if s.saysItself != "" {
				outcome.Report(u, outcome.Outcome{Reason: s.saysItself, Stalled: true})
				if err := c.Status().Update(t.Context(), u); err != nil {
					t.Fatal(err)
				}
			}
			r := &ProxyReconciler{Client: c, Uncached: c, Now: time.Now, Identity: "me"}
			// before the claim: nothing is asked of any server
			if s.reason != "" {
				judgeOutcome(t, r.move(t.Context(), &proxyScope{proxy: p.DeepCopy(), upgrade: u}), s.reason, s.says)
			}
			// after it: what was read before the claim was still the soak
			before := u.DeepCopy()
			before.Status.Workflow, before.Status.Step = steps.Upgrade, steps.Soak
			o := r.removalStarted(t.Context(), &proxyScope{proxy: p, upgrade: before})
			if s.reason == "" {
				if o != nil {
					t.Fatalf("refused: %s: %s", o.Reason, o.Message)
				}
				return
			}
			if o == nil {
				t.Fatal("not refused after the claim")
			}
			judgeOutcome(t, *o, s.reason, s.says)
		})
	}
}

func judgeOutcome(t *testing.T, o outcome.Outcome, reason, says string) {
	t.Helper()
	if o.Reason != reason || !strings.Contains(o.Message, says) {
		t.Errorf("%s: %s; want %s that says %q", o.Reason, o.Message, reason, says)
	}
}

// The claim is stored before the PgUpgrade is read again, so its controller sees it.
func TestAClaimIsStoredBeforeTheLastLook(t *testing.T) {
	c, u, p := anAPIServer(t, steps.Upgrade, steps.Soak, "orders-17", "orders-15")
	r := &ProxyReconciler{Client: c, Uncached: c, Now: time.Now, Identity: "me"}
	x := &proxyScope{proxy: p, upgrade: u}
	p.Status.Switch = &v1alpha1.SwitchStatus{ID: "s", From: "orders-17", To: "orders-15"}
	if err := r.claim(t.Context(), x, nil); err != nil {
		t.Fatal(err)
	}
	stored := &v1alpha1.PgProxy{}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(p), stored); err != nil || stored.Status.Switch == nil {
		t.Fatalf("the claim is not stored: %v", err)
	}
	if o := r.removalStarted(t.Context(), x); o != nil {
		t.Errorf("refused during the soak: %s", o.Message)
	}
	// a primary was replaced between the two looks
	u = u.DeepCopy()
	u.Status.Failover = &v1alpha1.FailoverStatus{Instance: "orders-17", Message: "the primary of orders-17 was replaced", At: metav1.Now()}
	if err := c.Status().Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if o := r.removalStarted(t.Context(), x); o == nil {
		t.Error("a switch between sides that may differ")
	} else {
		judgeOutcome(t, *o, v1alpha1.ReasonSwitchWaiting, "until both sides hold the same rows again: the primary of orders-17 was replaced")
	}
	u.Status.Failover = nil
	// the run ends, and another begins, between the two looks
	u = u.DeepCopy()
	u.Status.Run = "another"
	if err := c.Status().Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if o := r.removalStarted(t.Context(), x); o == nil || o.Reason != v1alpha1.ReasonSwitchWaiting {
		t.Errorf("a switch within a run that is over: %+v", o)
	}
}
