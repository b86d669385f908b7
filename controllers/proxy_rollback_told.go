package controllers

import (
	"github.com/fluxcd/pkg/runtime/conditions"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
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
