package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

// TestAChecksSecretIsOneThatTheTeamMayRead: who may write a PgUpgrade doesn't gain Secrets by it.
func TestAChecksSecretIsOneThatTheTeamMayRead(t *testing.T) {
	w := aSoak(t, failedOrders())
	w.flux.Spec.ServiceAccountName = "deployer"
	w.must(w.Update(t.Context(), w.flux))
	w.round()
	w.says(v1alpha1.ReasonAnalysisUnknown, "ServiceAccount "+w.namespace+"/deployer", "may not get Secret "+w.namespace+"/watcher; grant it that")
	w.create(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "deployer"},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"watcher"}, Verbs: []string{"get"}}}})
	w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "deployer"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "deployer"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.namespace, Name: "deployer"}}})
	w.until("the right is granted", func() bool { return w.u.Status.Analysis.Passed > 0 })
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
	w.until("it is on the branch", w.at(steps.RevertCutover, steps.AwaitRollback))
	w.personReverts()
	w.until("it soaks again", w.at(steps.Upgrade, steps.Soak))
	w.change(func(s *v1alpha1.PgUpgradeSpec) { s.Retry = "2" })
	w.until("it is proposed once more, though the branch had it before", waits)
	w.person("fetch", "-q", "origin", "gitover/CommitRollback")
	w.person("merge", "-q", "--squash", "FETCH_HEAD")
	w.person("commit", "-q", "-m", "Back to 15 again")
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
		"http.secretRef needs a url with https": func(a *v1alpha1.AnalysisSpec) {
			a.Checks[0] = v1alpha1.AnalysisCheck{Name: "h", HTTP: &v1alpha1.HTTPCheck{URL: "http://p", SecretRef: &v1alpha1.SecretReference{Name: "s"}}}
		},
		"prometheus.secretRef needs an address with https": func(a *v1alpha1.AnalysisSpec) {
			a.Checks[0].SQL, a.Checks[0].Prometheus = nil, &v1alpha1.PrometheusCheck{Address: "http://p", Query: "up", SecretRef: &v1alpha1.SecretReference{Name: "s"}}
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
