package controllers

import (
	"context"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/runtime/conditions"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
)

// TestARollbackThatFluxWouldNotApplyIsNotReady on a real API server, with Flux's own kinds.
func TestARollbackThatFluxWouldNotApplyIsNotReady(t *testing.T) {
	w := aTeam(t)
	u := w.upgrade("orders")
	w.create(u)
	p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "orders"}}
	p.Spec.UpgradeRef.Name, p.Spec.Target = "orders", "orders-17"
	p.Spec.Pooler.Selector = metav1.LabelSelector{MatchLabels: map[string]string{"app": "pooler"}}
	w.create(p)
	k, g := w.fleet(u)
	w.createWithStatus(k)
	w.create(g)
	fleet := &UpgradeReconciler{Client: w.Client, Uncached: w.Client}
	r := &ProxyReconciler{Client: w.Client, Uncached: w.Client, Fleet: deliversOnly{fleet}}
	told := func(status metav1.ConditionStatus, reason, words string) {
		t.Helper()
		w.must(w.Get(t.Context(), client.ObjectKeyFromObject(p), p))
		apimeta.SetStatusCondition(&p.Status.Conditions, metav1.Condition{Type: v1alpha1.RollbackReadyCondition, Status: status, Reason: reason, Message: words})
		w.must(w.Status().Update(t.Context(), p))
	}
	ready := func(status metav1.ConditionStatus, reason, message string) {
		t.Helper()
		apimeta.SetStatusCondition(&k.Status.Conditions, metav1.Condition{Type: meta.ReadyCondition, Status: status, Reason: reason, Message: message})
		w.must(w.Status().Update(t.Context(), k))
	}
	says := func(reason string, words string) {
		t.Helper()
		if got, said := r.undelivered(t.Context(), &proxyScope{proxy: p, upgrade: u}); got != reason || !strings.Contains(said, words) {
			t.Fatalf("%s: %q, want %s: %q", got, said, reason, words)
		}
	}
	asked := func(want bool) {
		t.Helper()
		if n := len(r.deliveredBy(t.Context(), k)); n != map[bool]int{true: 1}[want] {
			t.Fatalf("%d looks at the PgProxy are asked for", n)
		}
	}

	told(metav1.ConditionTrue, v1alpha1.ReasonReplicating, "orders-15 follows")
	says("", "")
	asked(false)
	const invalid = `Deployment/web dry-run failed (Invalid): spec.replicas: Invalid value`
	ready(metav1.ConditionFalse, meta.ReconciliationFailedReason, invalid)
	asked(true)
	says(v1alpha1.ReasonFluxFailing, "a revert would not arrive: Kustomization "+w.namespace+"/orders can't be applied (ReconciliationFailed): "+invalid)
	told(metav1.ConditionFalse, v1alpha1.ReasonFluxFailing, "a revert would not arrive: Kustomization "+w.namespace+"/orders can't be applied (ReconciliationFailed): "+invalid)
	asked(false)
	ready(metav1.ConditionUnknown, meta.ProgressingReason, "tries again")
	asked(false)
	says(v1alpha1.ReasonFluxFailing, invalid) // what was said stays until Flux has an answer
	ready(metav1.ConditionTrue, meta.ReconciliationSucceededReason, "Applied revision")
	asked(true)
	says("", "")

	told(metav1.ConditionTrue, v1alpha1.ReasonReplicating, "orders-15 follows")
	ready(metav1.ConditionFalse, meta.DependencyNotReadyReason, "dependency 'team/infra' is not ready")
	asked(true)
	says(v1alpha1.ReasonFluxPending, "dependency 'team/infra' is not ready")
	ready(metav1.ConditionTrue, meta.ReconciliationSucceededReason, "Applied revision")
	fetched := func(status metav1.ConditionStatus, reason, message string) {
		t.Helper()
		w.must(w.Get(t.Context(), client.ObjectKeyFromObject(g), g))
		apimeta.SetStatusCondition(&g.Status.Conditions, metav1.Condition{Type: meta.ReadyCondition, Status: status, Reason: reason, Message: message})
		w.must(w.Status().Update(t.Context(), g))
	}
	fetched(metav1.ConditionFalse, "GitOperationFailed", "authentication required")
	if n := len(r.deliveredBy(t.Context(), g)); n != 1 {
		t.Errorf("%d looks at the PgProxy are asked for when the source fails", n)
	}
	says(v1alpha1.ReasonFluxFailing, "authentication required")
	fetched(metav1.ConditionTrue, "Succeeded", "stored artifact")
	g.Spec.Suspend = true
	w.must(w.Update(t.Context(), g))
	says(v1alpha1.ReasonFluxSuspended, "flux resume source git fleet")
	g.Spec.Suspend = false
	w.must(w.Update(t.Context(), g))
	k.Spec.SourceRef.Kind = "OCIRepository"
	w.must(w.Update(t.Context(), k))
	says(v1alpha1.ReasonAccessDenied, "have a Kustomization of its own, with sourceRef GitRepository")
	k.Spec.SourceRef.Kind = "GitRepository"
	w.must(w.Update(t.Context(), k))
	says("", "")
	k.Spec.Suspend = true
	w.must(w.Update(t.Context(), k))
	asked(true)
	says(v1alpha1.ReasonFluxSuspended, "flux resume kustomization orders")
	k.Spec.Suspend, k.Spec.Path = false, "./apps/moved"
	w.must(w.Update(t.Context(), k))
	says(v1alpha1.ReasonAccessDenied, "spec.git.path apps/a is not below apps/moved")

	// the directory moved, and the PgUpgrade with it
	before := u.DeepCopy()
	u.Spec.Git.Path = "apps/moved"
	w.must(w.Patch(t.Context(), u, client.MergeFrom(before)))
	says("", "")
	before = u.DeepCopy()
	u.Spec.Git.SourceRef.Name = "another"
	if err := w.Patch(t.Context(), u, client.MergeFrom(before)); err == nil || !strings.Contains(err.Error(), "git.sourceRef is immutable") {
		t.Errorf("another repository: %v", err)
	}
}

// deliversOnly asks no Git server.
type deliversOnly struct{ *UpgradeReconciler }

func (deliversOnly) VerifyTarget(_ context.Context, _ *v1alpha1.PgUpgrade, _ *v1alpha1.PgProxy) error {
	return nil
}

// TestASoakSaysWhatFluxWouldNotApply and keeps saying so while Flux tries again.
func TestASoakSaysWhatFluxWouldNotApply(t *testing.T) {
	p := aProposingUpgrade(t)
	port := p.run.Git.(*gitPort)
	u := p.run.Upgrade
	if reason, _ := port.Undelivered(); reason != "" {
		t.Errorf("%s", reason)
	}
	ready := apimeta.FindStatusCondition(port.flux.Status.Conditions, meta.ReadyCondition)
	ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, meta.BuildFailedReason, "no such file"
	reason, words := port.Undelivered()
	if reason != v1alpha1.ReasonFluxFailing || !strings.Contains(words, "can't be built: no such file") {
		t.Errorf("%s: %s", reason, words)
	}
	conditions.MarkFalse(u, v1alpha1.ReadyCondition, reason, "%s", "a revert would not arrive: "+words)
	ready.Status, ready.Reason = metav1.ConditionUnknown, meta.ProgressingReason
	if again, still := port.Undelivered(); again != reason || still != words {
		t.Errorf("%s: %s", again, still)
	}
	ready.Status = metav1.ConditionTrue
	if reason, _ := port.Undelivered(); reason != "" {
		t.Errorf("%s", reason)
	}
}
