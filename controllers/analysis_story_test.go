package controllers

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

// failedOrders counts the orders that failed; one is too many.
func failedOrders() v1alpha1.AnalysisCheck {
	c := v1alpha1.AnalysisCheck{Name: "failed-orders", ThresholdRange: &v1alpha1.ThresholdRange{Max: ptr.To(resource.MustParse("0.5"))}}
	c.SQL = &v1alpha1.SQLCheck{Database: "d", Query: "SELECT count(*) FROM orders WHERE failed", SecretRef: v1alpha1.SecretReference{Name: "watcher"}}
	return c
}

// TestACheckThatFailsReturnsTrafficByACommit that says why; and a person's revert of that commit stands.
func TestACheckThatFailsReturnsTrafficByACommit(t *testing.T) {
	w := aSoak(t, failedOrders())
	w.round()
	w.says(v1alpha1.ReasonAnalysisPassed, "1 rounds")
	w.green.Exec("d", "INSERT INTO orders VALUES (1, true)")
	if o := w.round(); !o.Ready {
		t.Fatalf("one failure changes something: %+v", o)
	}
	w.says(v1alpha1.ReasonAnalysisFailing, "failed-orders failed 1 times in a row (threshold 2): 1, wanted is at most 0.5")
	w.green.Exec("d", "UPDATE orders SET failed = false")
	w.round()
	w.says(v1alpha1.ReasonAnalysisPassed)
	w.green.Exec("d", "UPDATE orders SET failed = true")
	w.until("the revert is committed", w.at(steps.RevertCutover, steps.AwaitRollback))
	w.told(v1alpha1.ReasonAnalysisFailed)
	commit := w.log()[0]
	says(t, commit, "orders: return to PostgreSQL 15 from 17", "The analysis of orders-17 failed: check failed-orders failed 2 times in a row: it was 1 last, wanted is at most 0.5",
		"Gitover-Reason: the analysis failed: check failed-orders", "Gitover-Analysis-Check: failed-orders", "Gitover-Analysis-Value: 1",
		"Gitover-Analysis-Wanted: at most 0.5", "Gitover-Analysis-Failures: 2", "Gitover-Step: CommitRollback", "Gitover-Upgrade: "+string(w.u.UID))
	w.fluxApplies()
	w.trafficMoves()
	w.until("it waits for a decision", w.at(steps.RolledBack, steps.AwaitDecision))
	w.says(v1alpha1.ReasonAnalysisFailed, "orders-15 serves again")
	if n := len(w.log()); n != 3 {
		t.Errorf("%d commits: %q", n, w.log())
	}

	w.personReverts()
	w.fluxApplies()
	w.trafficMoves()
	w.until("it soaks again", w.at(steps.Upgrade, steps.Soak))
	for range 4 {
		w.round()
	}
	w.says(v1alpha1.ReasonAnalysisFailed, "the revert was refused: Git makes orders-17 the target again", "spec.retry")
	if len(w.log()) != 4 || !w.at(steps.Upgrade, steps.Soak)() {
		t.Fatalf("Gitover fights a person: %s, %q", w.u.Status.Workflow, w.log()[0])
	}
	w.change(func(s *v1alpha1.PgUpgradeSpec) { s.Retry = "once more" })
	w.until("it reverts again, since it was asked to", w.at(steps.RevertCutover, steps.AwaitRollback))
	says(t, w.log()[0], "Gitover-Analysis: 1\n", "Gitover-Reason: the analysis failed")
	w.fluxApplies()
	w.trafficMoves()
	w.until("it waits for a decision", w.at(steps.RolledBack, steps.AwaitDecision))
	w.round()
	if w.u.Status.HandledRetry != "once more" || !w.at(steps.RolledBack, steps.AwaitDecision)() {
		t.Errorf("the retry counts twice: %+v", w.u.Status)
	}
}

// TestARevertIsNewerThanARetryThatCameBefore, so nothing is cut over again; whoever made the revert.
func TestARevertIsNewerThanARetryThatCameBefore(t *testing.T) {
	for _, byAPerson := range []bool{false, true} {
		w := aSoak(t, failedOrders())
		w.change(func(s *v1alpha1.PgUpgradeSpec) { s.Retry = "for a hook" })
		w.round()
		if byAPerson {
			w.personReverts()
		} else {
			w.green.Exec("d", "INSERT INTO orders VALUES (1, true)")
			w.until("the revert is committed", w.at(steps.RevertCutover, steps.AwaitRollback))
		}
		w.fluxApplies()
		w.trafficMoves()
		w.until("it waits for a decision", w.at(steps.RolledBack, steps.AwaitDecision))
		for range 2 {
			w.round()
		}
		if !w.at(steps.RolledBack, steps.AwaitDecision)() {
			t.Errorf("by a person is %t: %s in %s", byAPerson, w.u.Status.Step, w.u.Status.Workflow)
		}
	}
}

// TestAPersonWhoRevertsTheRevertBeforeFluxAppliesItIsObeyed.
func TestAPersonWhoRevertsTheRevertBeforeFluxAppliesItIsObeyed(t *testing.T) {
	w := aSoak(t, failedOrders())
	w.green.Exec("d", "INSERT INTO orders VALUES (1, true)")
	w.until("the revert is committed", w.at(steps.RevertCutover, steps.AwaitRollback))
	w.personReverts()
	w.until("it soaks again", w.at(steps.Upgrade, steps.Soak))
	w.fluxApplies()
	for range 3 {
		w.round()
	}
	w.says(v1alpha1.ReasonAnalysisFailed, "the revert was refused: Git makes orders-17 the target again, by ", "(Ada <ada@example.org>)")
	if n := len(w.log()); n != 4 {
		t.Errorf("%d commits: %q", n, w.log())
	}

	w.change(func(s *v1alpha1.PgUpgradeSpec) { s.Version = "15" }) // a newer instruction, which the earlier revert doesn't carry out
	w.until("traffic is to return", w.at(steps.Rollback, steps.AwaitRollback))
	if n := len(w.log()); n != 5 {
		t.Errorf("%d commits: %q", n, w.log())
	}
	w.personReverts()
	w.fluxApplies()
	if o := w.round(); o.Reason != v1alpha1.ReasonConflictingSpec || !strings.Contains(o.Message, "make spec.version and the PgProxy's spec.target agree") {
		t.Errorf("%+v", o)
	}
}

// TestAnUnknownResultNeverReverts: neither a role that lost its rights, nor a server that doesn't answer, nor a value that is none.
func TestAnUnknownResultNeverReverts(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	health := v1alpha1.AnalysisCheck{Name: "health", Threshold: 100, HTTP: &v1alpha1.HTTPCheck{URL: site.URL + "/healthz"}}
	orders, prometheus, none := failedOrders(), failedOrders(), failedOrders()
	prometheus.Name, prometheus.SQL = "errors", nil
	prometheus.Prometheus = &v1alpha1.PrometheusCheck{Address: site.URL, Query: "up"}
	none.Name, none.SQL.Query = "none", "SELECT 'NaN'::float8"
	w := aSoak(t, orders, health, prometheus, none)
	w.round()
	w.says(v1alpha1.ReasonAnalysisFailing, "health failed 1 times")
	site.Close()
	w.green.Exec("d", "INSERT INTO orders VALUES (1, true); REVOKE SELECT ON orders FROM "+watcher)
	for range 5 {
		if o := w.round(); !o.Ready {
			t.Fatalf("unknown, so that nothing is wrong: %+v", o)
		}
	}
	w.says(v1alpha1.ReasonAnalysisUnknown, "check failed-orders is unknown: PostgreSQL says: permission denied for table orders")
	want := map[string]string{"health": "refused the connection", "errors": "refused the connection", "none": "the value is NaN"}
	for _, c := range w.u.Status.Analysis.Checks {
		if c.Verdict != v1alpha1.CheckUnknown || !strings.Contains(c.Message, want[c.Name]) || c.Failures > 1 {
			t.Errorf("%+v", c)
		}
	}
	w.ahead.Add(int64(11 * time.Minute))
	w.round()
	w.says(v1alpha1.ReasonAnalysisStalled, "for more than 10m0s")
	w.told(v1alpha1.ReasonAnalysisStalled)
	w.ahead.Add(int64(48 * time.Hour))
	o := w.round()
	if o.Ready || !w.at(steps.Upgrade, steps.Soak)() || len(w.log()) != 2 {
		t.Fatalf("the point of no return, without a result: %+v, %s", o, w.u.Status.Step)
	}
	says(t, o.Message, "the soak would be over, but check failed-orders is unknown", `spec.soak.finalizedVersion: "17"`)
}

// TestAFailureIsMeasuredAgainBeforeItReverts, if nobody looked meanwhile, or the check is another one now, or has no result.
func TestAFailureIsMeasuredAgainBeforeItReverts(t *testing.T) {
	w := aSoak(t, failedOrders())
	w.green.Exec("d", "INSERT INTO orders VALUES (1, true)")
	broken := func() {
		w.proxy(func(p *v1alpha1.PgProxy) {
			conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicationBroken, "orders-15 does not follow")
		})
	}
	stays := func(reason string) {
		t.Helper()
		w.trafficMoves() // the way back is open
		for range 3 {
			w.round()
		}
		if w.says(reason); len(w.log()) != 2 || !w.at(steps.Upgrade, steps.Soak)() {
			t.Fatalf("reverted: %s, %q", w.u.Status.Workflow, w.log()[0])
		}
	}
	broken()
	w.until("it failed", func() bool { return w.u.Status.Analysis.Failure != nil })
	w.green.Exec("d", "UPDATE orders SET failed = false")
	w.ahead.Add(int64(time.Hour)) // suspended
	stays(v1alpha1.ReasonAnalysisPassed)

	w.green.Exec("d", "UPDATE orders SET failed = true")
	broken()
	w.until("it failed", func() bool { return w.u.Status.Analysis.Failure != nil })
	w.green.Exec("d", "REVOKE SELECT ON orders FROM "+watcher)
	w.round()
	stays(v1alpha1.ReasonAnalysisUnknown)

	w.green.Exec("d", "GRANT SELECT ON orders TO "+watcher)
	broken()
	w.until("it failed", func() bool { return w.u.Status.Analysis.Failure != nil })
	w.change(func(s *v1alpha1.PgUpgradeSpec) {
		s.Soak.Analysis.Checks[0].SQL.Query = "SELECT count(*) - 1 FROM orders WHERE failed"
	})
	stays(v1alpha1.ReasonAnalysisPassed)
}

// TestAControllerThatIsKilledNeitherForgetsARevertNorMakesItTwice.
func TestAControllerThatIsKilledNeitherForgetsARevertNorMakesItTwice(t *testing.T) {
	w := aSoak(t, failedOrders())
	w.green.Exec("d", "INSERT INTO orders VALUES (1, true)")
	untilPushed := func() { w.until("a push", func() bool { return false }) }
	w.killed(&w.pushes, untilPushed)
	if !w.at(steps.RevertCutover, steps.CommitRollback)() || !steps.RevertDecided(w.u.Status) || len(w.log()) != 2 {
		t.Fatalf("the decision isn't stored before the push: %+v", w.u.Status)
	}
	w.green.Exec("d", "UPDATE orders SET failed = false") // decided is decided
	w.killed(&w.pushed, untilPushed)
	if !w.at(steps.RevertCutover, steps.CommitRollback)() || len(w.log()) != 3 {
		t.Fatalf("%s, %q", w.u.Status.Step, w.log()[0])
	}
	w.until("the commit is found", w.at(steps.RevertCutover, steps.AwaitRollback))
	w.restart()
	w.fluxApplies()
	w.trafficMoves()
	w.until("it waits for a decision", w.at(steps.RolledBack, steps.AwaitDecision))
	if n := len(w.log()); n != 3 {
		t.Errorf("%d commits: %q", n, w.log())
	}
}

// TestAnAlertLeavesTheDecisionToPeople, also where a revert would lose something.
func TestAnAlertLeavesTheDecisionToPeople(t *testing.T) {
	w := aSoak(t, failedOrders())
	w.change(func(s *v1alpha1.PgUpgradeSpec) { s.Soak.Analysis.OnFailure = v1alpha1.AnalysisAlert })
	w.green.Exec("d", "INSERT INTO orders VALUES (1, true)")
	for range 4 {
		if o := w.round(); !o.Ready {
			t.Fatalf("%+v", o)
		}
	}
	w.says(v1alpha1.ReasonAnalysisFailed, "failed 4 times in a row", "onFailure is Alert")
	w.told(v1alpha1.ReasonAnalysisFailed)
	w.ahead.Add(int64(48 * time.Hour))
	if o := w.round(); !o.Stalled || o.Reason != v1alpha1.ReasonAnalysisFailed {
		t.Fatalf("the soak of a version that fails ends by itself: %+v", o)
	}

	const lost = "the slot for database \"d\" is lost"
	w.proxy(func(p *v1alpha1.PgProxy) {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicationBroken, lost)
	})
	w.change(func(s *v1alpha1.PgUpgradeSpec) { s.Soak.Analysis.OnFailure = v1alpha1.AnalysisRevert })
	w.round()
	w.says(v1alpha1.ReasonAnalysisFailed, "it can't be reverted without a loss now", lost)
	if n := len(w.log()); n != 2 {
		t.Fatalf("%d commits: %q", n, w.log())
	}
	w.trafficMoves() // the way back is open
	w.until("the revert is committed", w.at(steps.RevertCutover, steps.AwaitRollback))
}
