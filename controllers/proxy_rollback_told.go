package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/runtime/conditions"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops/delivery"
	"github.com/gitover/gitover/steps"
)

// rollbackOf a proxy is what its condition RollbackReady says now; nil: nothing yet.
func rollbackOf(p *v1alpha1.PgProxy) *metav1.Condition {
	return conditions.Get(p, v1alpha1.RollbackReadyCondition).DeepCopy()
}

// tellRollback by an event when a rollback becomes possible or is lost. Ready stays True then, so that nothing else would.
// A rollback path that isn't wanted, or is about to begin, is nothing to tell.
func (r *ProxyReconciler) tellRollback(p *v1alpha1.PgProxy, before *metav1.Condition) {
	now := rollbackOf(p)
	if now == nil || before != nil && before.Status == now.Status && before.Reason == now.Reason {
		return
	}
	switch now.Reason {
	case v1alpha1.ReasonRollbackUnavailable, v1alpha1.ReasonStarting:
		return
	}
	kind := corev1.EventTypeWarning
	if now.Status == metav1.ConditionTrue {
		kind = corev1.EventTypeNormal
	}
	r.Recorder.Event(p, kind, v1alpha1.RollbackReadyCondition, now.Message)
}

// What keeps Flux from applying keeps a rollback from arriving, however well the other side follows.

// undelivered says why a revert of the cutover would not arrive; empty if it would. While Flux is at work, what was said before stays.
func (r *ProxyReconciler) undelivered(ctx context.Context, x *proxyScope) (reason, words string) {
	err := r.Fleet.Delivers(ctx, x.upgrade, x.proxy)
	var known *outcome.ReasonError
	switch before := rollbackOf(x.proxy); {
	case errors.Is(err, errFluxBusy) && before != nil && before.Status == metav1.ConditionFalse && ofFlux[before.Reason]:
		return before.Reason, before.Message
	case errors.Is(err, errFluxBusy):
		return "", ""
	case errors.As(err, &known):
		return known.Reason, steps.WouldNotArrive + known.Text
	case err != nil:
		return outcome.ReasonOf(err, v1alpha1.ReasonFluxPending).Reason, fmt.Sprintf("can't tell whether a revert would arrive: %v", err)
	}
	if err := r.Fleet.VerifyTarget(ctx, x.upgrade, x.proxy); err != nil {
		if m := outcome.ReasonOf(err, ""); m.Stalled {
			return m.Reason, fmt.Sprintf("a revert would not be followed: %v", err)
		}
	}
	return "", ""
}

// ofFlux are the reasons of what Flux doesn't deliver.
var ofFlux = map[string]bool{v1alpha1.ReasonFluxFailing: true, v1alpha1.ReasonFluxSuspended: true, v1alpha1.ReasonFluxPending: true}

// deliveredBy finds the proxies whose RollbackReady no longer says what a Flux object does. What Flux does at each commit asks for
// nothing.
func (r *ProxyReconciler) deliveredBy(ctx context.Context, object client.Object) []reconcile.Request {
	var state delivery.State
	ref := func(g v1alpha1.GitSpec) v1alpha1.ObjectReference { return g.SourceRef }
	switch o := object.(type) {
	case *sourcev1.GitRepository:
		state = delivery.NextFetch(o)
	case *kustomizev1.Kustomization:
		state, ref = delivery.NextApply(o), func(g v1alpha1.GitSpec) v1alpha1.ObjectReference { return g.KustomizationRef }
	}
	if state.Phase == delivery.Applying {
		return nil
	}
	var requests []reconcile.Request
	for _, upgrade := range referring(ctx, r.Client, object, ref) {
		for _, request := range r.proxiesOf(ctx, &upgrade) {
			var p v1alpha1.PgProxy
			if err := r.Get(ctx, request.NamespacedName, &p); err != nil {
				continue
			}
			told := rollbackOf(&p)
			if told == nil || told.Reason == v1alpha1.ReasonRollbackUnavailable {
				continue
			}
			if ofFlux[told.Reason] != (state.Phase != delivery.Applied) || !strings.Contains(told.Message, state.Message) {
				requests = append(requests, request)
			}
		}
	}
	return requests
}
