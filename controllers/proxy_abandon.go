package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/switchover"
)

// rollbackAbandoned says where Git gives up the rollback from the switch in progress, which then may end without a
// rollback path; empty if Git doesn't. Either the version that serves was finalized, or the upgrade was reverted, so
// that the other instance is removed anyway.
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
		return fmt.Sprintf("the version of PgUpgrade %s was reverted, so %s is removed", u.Name, s.From)
	}
	return ""
}

// abandon ends a switch that was committed and whose rollback path can't be made.
func (r *ProxyReconciler) abandon(ctx context.Context, x *proxyScope, in switchover.Input, why *switchover.UnfinishedError, word string) outcome.Outcome {
	if err := switchover.Abandon(ctx, in); err != nil {
		return r.after(ctx, x, switchover.Result{ID: in.ID}, &switchover.UnfinishedError{Why: err, RollbackPath: true})
	}
	r.Recorder.Eventf(x.proxy, corev1.EventTypeWarning, "RollbackAbandoned",
		"%s serves for good, and there is no rollback path to %s, since %s; it could not be made: %v", in.To.Instance, in.From.Instance, word, why.Why)
	return r.switched(ctx, x, switchover.Result{ID: in.ID})
}

// openWithoutDecision ends a switch whose decision can't be read because the old side is lost for good, as Git says.
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
		return fmt.Sprintf("; if %s is lost for good, delete it so that it can't come back, and revert the version in Git", s.From)
	}
	return fmt.Sprintf("; if %s is lost for good, delete it so that it can't come back, and commit spec.soak.finalizedVersion: %q in PgUpgrade %s",
		s.From, steps.VersionOf(u.Name, u.Spec.Adopt, s.To), u.Name)
}

// unfinishedAdvice says what a human can do about a rollback path that can't be made.
func unfinishedAdvice(x *proxyScope) string {
	s, u := x.proxy.Status.Switch, x.upgrade
	if s.To != u.Status.To {
		return fmt.Sprintf("; fix it, or revert the version in Git, which gives %s up", s.From)
	}
	return fmt.Sprintf("; fix it, or give up the rollback path to %s for good: commit spec.soak.finalizedVersion: %q in PgUpgrade %s",
		s.From, steps.VersionOf(u.Name, u.Spec.Adopt, s.To), u.Name)
}
