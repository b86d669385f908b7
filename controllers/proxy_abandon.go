package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/switchover"
)

// rollbackAbandoned is Git's word that nobody wants to return from the switch in progress, which then ends without a
// rollback path if none can be made; empty if Git says no such thing. The version that serves was finalized, or the
// upgrade was taken back, so that the other instance goes anyway.
func rollbackAbandoned(x *proxyScope) string {
	s, u := x.proxy.Status.Switch, x.upgrade
	if s == nil {
		return ""
	}
	version := steps.VersionOf(u.Name, u.Spec.Adopt, s.To)
	switch {
	case s.To == u.Status.To && version != "" && u.Spec.Soak.FinalizedVersion == version:
		return fmt.Sprintf("spec.soak.finalizedVersion of PgUpgrade %s is %q", u.Name, version)
	case s.To == u.Status.From && u.Status.Workflow == steps.Rollback:
		return fmt.Sprintf("PgUpgrade %s takes the version back, so %s is removed", u.Name, s.From)
	}
	return ""
}

// abandon ends a switch that went forward and whose rollback path can't be made.
func (r *ProxyReconciler) abandon(ctx context.Context, x *proxyScope, in switchover.Input, why *switchover.UnfinishedError, word string) outcome.Outcome {
	if err := switchover.Abandon(ctx, in); err != nil {
		return r.after(ctx, x, switchover.Result{ID: in.ID}, &switchover.UnfinishedError{Why: err, RollbackPath: true})
	}
	r.Recorder.Eventf(x.proxy, corev1.EventTypeWarning, "RollbackAbandoned",
		"%s serves for good, and there is no rollback path to %s, since %s; it could not be made: %v", in.To.Instance, in.From.Instance, word, why.Why)
	return r.switched(ctx, x, switchover.Result{ID: in.ID})
}

// openWithoutDecision ends a switch whose old side can't be asked what it decided, on Git's word that it is lost for good.
func (r *ProxyReconciler) openWithoutDecision(ctx context.Context, x *proxyScope, in switchover.Input, why error, word string) (switchover.State, switchover.Result, error) {
	if err := switchover.OpenWithoutDecision(ctx, in); err != nil {
		return switchover.StateUnknown, switchover.Result{ID: in.ID}, &switchover.UndecidedError{Why: err}
	}
	r.Recorder.Eventf(x.proxy, corev1.EventTypeWarning, "OpenedWithoutDecision",
		"opened %s, which has every row, since %s; %s could not be asked: %v", in.To.Instance, word, in.From.Instance, why)
	return switchover.Recover(ctx, in)
}

// undecidedAdvice says what a human can do if the old side is lost for good.
func undecidedAdvice(x *proxyScope) string {
	s, u := x.proxy.Status.Switch, x.upgrade
	if s.To != u.Status.To {
		return fmt.Sprintf("; if %s is lost for good, delete it so that it can't come back, and take the version back in Git", s.From)
	}
	return fmt.Sprintf("; if %s is lost for good, delete it so that it can't come back, and commit spec.soak.finalizedVersion: %q in PgUpgrade %s",
		s.From, steps.VersionOf(u.Name, u.Spec.Adopt, s.To), u.Name)
}

// unfinishedAdvice says what a human can do about a rollback path that can't be made.
func unfinishedAdvice(x *proxyScope) string {
	s, u := x.proxy.Status.Switch, x.upgrade
	if s.To != u.Status.To {
		return fmt.Sprintf("; fix it, or take the version back in Git, which gives %s up", s.From)
	}
	return fmt.Sprintf("; fix it, or give up the rollback path to %s for good: commit spec.soak.finalizedVersion: %q in PgUpgrade %s",
		s.From, steps.VersionOf(u.Name, u.Spec.Adopt, s.To), u.Name)
}
