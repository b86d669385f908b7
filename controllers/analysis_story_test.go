package controllers

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// TestARevertThatWaitsIsGivenUpOncePeopleSaySo, or once it would lose something.
func TestARevertThatWaitsIsGivenUpOncePeopleSaySo(t *testing.T) {
	w := aSoak(t, failedOrders())
	w.green.Exec("d", "INSERT INTO orders VALUES (1, true)")
	untilPushed := func() { w.until("a push", func() bool { return false }) }
	w.killed(&w.pushes, untilPushed)
	w.proxy(func(p *v1alpha1.PgProxy) {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicationBroken, "orders-15 does not follow")
	})
	w.round()
	if !w.at(steps.Upgrade, steps.Soak)() || steps.RevertDecided(w.u.Status) {
		t.Fatalf("%s/%s", w.u.Status.Workflow, w.u.Status.Step)
	}
	w.trafficMoves()
	w.killed(&w.pushes, untilPushed)
	w.change(func(s *v1alpha1.PgUpgradeSpec) { s.Soak.Analysis.OnFailure = v1alpha1.AnalysisAlert })
	w.round()
	if !w.at(steps.Upgrade, steps.Soak)() || len(w.log()) != 2 {
		t.Fatalf("%s/%s, %q", w.u.Status.Workflow, w.u.Status.Step, w.log()[0])
	}
}

// TestAClosedPullRequestIsARefusal of the revert; a merge carries it out.
func TestAClosedPullRequestIsARefusal(t *testing.T) {
	w := aSoak(t, failedOrders())
	w.change(func(s *v1alpha1.PgUpgradeSpec) { s.Git.Push = &v1alpha1.PushSpec{Branch: "gitover/{{.Step}}"} })
	w.green.Exec("d", "INSERT INTO orders VALUES (1, true)")
	waits := func() bool {
		return w.at(steps.RevertCutover, steps.CommitRollback)() && w.u.Status.Proposal != nil && w.u.Status.Proposal.Branch == "gitover/CommitRollback"
	}
	w.until("the revert waits on its branch", waits)
	if len(w.log()) != 2 {
		t.Fatalf("it is on the branch that Flux follows: %q", w.log()[0])
	}
	w.person("push", "-q", "origin", ":gitover/CommitRollback")
	w.until("it soaks again", w.at(steps.Upgrade, steps.Soak))
	w.round()
	w.says(v1alpha1.ReasonAnalysisFailed, "the revert was refused: branch gitover/CommitRollback was removed")
	w.change(func(s *v1alpha1.PgUpgradeSpec) { s.Retry = "1" })
	w.until("it is proposed again", waits)
	w.person("fetch", "-q", "origin", "gitover/CommitRollback")
	w.person("merge", "-q", "--squash", "FETCH_HEAD")
	w.person("commit", "-q", "-m", "Back to 15")
	w.person("push", "-q", "origin", "HEAD:main")
	w.fluxApplies()
	w.trafficMoves()
	w.until("it waits for a decision", w.at(steps.RolledBack, steps.AwaitDecision))
}

// TestWhatTheAPIServerRefuses of an analysis, and in which words.
func TestWhatTheAPIServerRefuses(t *testing.T) {
	w := aTeam(t)
	for words, change := range map[string]func(*v1alpha1.AnalysisSpec){
		"exactly one of sql, prometheus": func(a *v1alpha1.AnalysisSpec) { a.Checks[0].Rows = &v1alpha1.RowsCheck{} },
		"thresholdRange needs min, max":  func(a *v1alpha1.AnalysisSpec) { a.Checks[0].ThresholdRange = &v1alpha1.ThresholdRange{} },
		"must be from 100ms to 30s":      func(a *v1alpha1.AnalysisSpec) { a.Checks[0].Timeout = &metav1.Duration{Duration: time.Minute} },
		"Duplicate value":                func(a *v1alpha1.AnalysisSpec) { a.Checks = append(a.Checks, a.Checks[0]) },
		"needs thresholdRange": func(a *v1alpha1.AnalysisSpec) {
			a.Checks[0] = v1alpha1.AnalysisCheck{Name: "p", Prometheus: &v1alpha1.PrometheusCheck{Address: "http://p", Query: "up"}}
		},
		"in place of thresholdRange": func(a *v1alpha1.AnalysisSpec) {
			a.Checks[0].SQL, a.Checks[0].HTTP = nil, &v1alpha1.HTTPCheck{URL: "http://p"}
		},
	} {
		u := w.upgrade("orders")
		u.Spec.Soak.Analysis = &v1alpha1.AnalysisSpec{Checks: []v1alpha1.AnalysisCheck{failedOrders()}}
		change(u.Spec.Soak.Analysis)
		if err := w.Create(t.Context(), u); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", words, err)
		}
	}
}
