package controllers

import (
	"context"
	"fmt"

	"github.com/fluxcd/pkg/runtime/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/failover"
)

// instanceBeingRemoved is the outcome of a proxy whose target is the instance that upgrade
// removes; nil if it isn't.
func instanceBeingRemoved(p *v1alpha1.PgProxy, upgrade *v1alpha1.PgUpgrade) *outcome.Outcome {
	status := upgrade.Status
	if steps.InstanceBeingRemoved(status) != p.Spec.Target {
		return nil
	}
	switch {
	case status.Workflow != steps.Upgrade:
		return &outcome.Outcome{Reason: v1alpha1.ReasonConflictingSpec, Stalled: true, RequeueAfter: outcome.RetryStalled,
			Message: fmt.Sprintf("%s serves; nothing leads to %s any more: PgUpgrade %s removes it (step %s), since that upgrade was reverted in Git. Set spec.target to %s by a commit",
				p.Status.Active, p.Spec.Target, upgrade.Name, status.Step, p.Status.Active)}
	case status.Step == steps.StopReverse && conditions.GetReason(upgrade, v1alpha1.ReadyCondition) != v1alpha1.ReasonConflictingSpec:
		return &outcome.Outcome{Reason: v1alpha1.ReasonSwitchWaiting, RequeueAfter: outcome.RetrySoon,
			Message: fmt.Sprintf("%s serves; the soak is over and PgUpgrade %s is about to end the rollback path to %s. It checks whether the revert came in time",
				p.Status.Active, upgrade.Name, p.Spec.Target)}
	}
	return &outcome.Outcome{Reason: v1alpha1.ReasonRollbackUnavailable, Stalled: true, RequeueAfter: outcome.RetryStalled,
		Message: fmt.Sprintf("%s serves; the rollback path to %s has ended, since it lacks the rows written meanwhile: PgUpgrade %s removes it (step %s). Set spec.target to %s by a commit; an older version is a new upgrade",
			p.Status.Active, p.Spec.Target, upgrade.Name, status.Step, p.Status.Active)}
}

// removalStarted reads the PgUpgrade once more, past the cache, when a switch is claimed and
// has done nothing yet. The PgUpgrade controller stores a step that removes an instance and
// then looks for such a claim: each stores first and reads afterwards, so one of the two sees
// the other. An outcome other than nil ends the claim.
func (r *ProxyReconciler) removalStarted(ctx context.Context, x *proxyScope) *outcome.Outcome {
	upgrade := &v1alpha1.PgUpgrade{}
	if err := r.Uncached.Get(ctx, client.ObjectKeyFromObject(x.upgrade), upgrade); err != nil {
		o := outcome.Of(err, v1alpha1.ReasonSwitchWaiting)
		return &o
	}
	had, has := x.upgrade.Status, upgrade.Status
	if had.Run != has.Run || (had.Workflow == "") != (has.Workflow == "") {
		return &outcome.Outcome{Reason: v1alpha1.ReasonSwitchWaiting, RequeueAfter: outcome.RetryMoment,
			Message: fmt.Sprintf("%s serves; PgUpgrade %s began or ended a run a moment ago", x.proxy.Status.Active, upgrade.Name)}
	}
	if o := recovering(x.proxy, upgrade); o != nil {
		return o
	}
	return instanceBeingRemoved(x.proxy, upgrade)
}

// recovering is the outcome of a proxy whose sides may not hold the same rows since a failover; nil if there was none. The
// PgUpgrade controller stores that before it copies anything again, and then looks for a claim.
func recovering(p *v1alpha1.PgProxy, upgrade *v1alpha1.PgUpgrade) *outcome.Outcome {
	var why string
	switch f, again := upgrade.Status.Failover, failover.Opened(upgrade.Status, p); {
	case again != nil:
		why = again.Instance + " let applications in, and was fenced again"
	case f != nil:
		why = f.Message
	default:
		return nil
	}
	return &outcome.Outcome{Reason: v1alpha1.ReasonSwitchWaiting, RequeueAfter: outcome.RetrySoon,
		Message: fmt.Sprintf("%s serves; the switch to %s waits until both sides hold the same rows again: %s", p.Status.Active, p.Spec.Target, why)}
}
