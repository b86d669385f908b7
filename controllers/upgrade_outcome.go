package controllers

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/logs"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
)

// failed reports an error of a step.
func (r *UpgradeReconciler) failed(ctx context.Context, upgrade *v1alpha1.PgUpgrade, err error) outcome.Outcome {
	o := outcome.Of(err, upgrade.Status.Step)
	setStepMessage(&upgrade.Status, o.Message)
	if !o.Stalled {
		logs.For(ctx, upgrade).Info("step failed, will be tried again", "error", err.Error())
	}
	return o
}

// wait reports what a step waits for.
func (r *UpgradeReconciler) wait(upgrade *v1alpha1.PgUpgrade, step *steps.Step, v steps.Verdict, d steps.Decision) outcome.Outcome {
	status := &upgrade.Status
	o := outcome.Outcome{Reason: cmp.Or(d.Reason, v.Reason, step.Name), Message: cmp.Or(v.Message, step.Name), RequeueAfter: v.RequeueAfter}
	if d.Reason != "" && d.Message != "" {
		o.Message = d.Message
	}
	setStepMessage(status, o.Message)
	if o.RequeueAfter == 0 {
		o.RequeueAfter = retryStep
	}
	switch {
	case status.Workflow == steps.Upgrade && step.Name == steps.Soak && o.Reason == v1alpha1.ReasonSoakInProgress:
		o.Ready = true
	case v.Reason == v1alpha1.ReasonPreflightBlocked:
		conditions.MarkFalse(upgrade, v1alpha1.PreflightPassedCondition, v1alpha1.ReasonPreflightBlocked, "%s", v.Message)
		o.Stalled, o.RequeueAfter = true, outcome.RetryStalled
	case needsHuman[v.Reason] || needsHuman[o.Reason]:
		o.Stalled, o.RequeueAfter = true, outcome.RetryStalled
	case v.Reason == v1alpha1.ReasonWaitingForMerge: // people take the time that they take
	case step.StallAfter > 0 && r.Now().Sub(started(status, step.Name)) > step.StallAfter:
		o.Stalled, o.RequeueAfter = true, outcome.RetryStalled
		o.Message = fmt.Sprintf("waiting for more than %s: %s", step.StallAfter, o.Message)
	}
	return o
}

// warningReasons don't stop an effect, or the effect fixes them: they are reported as an event.
var warningReasons = map[string]bool{v1alpha1.ReasonReplicationBroken: true, v1alpha1.ReasonRetainedWAL: true, v1alpha1.ReasonSlotLost: true, v1alpha1.ReasonSchemaDrift: true, v1alpha1.ReasonJobFailed: true,
	v1alpha1.ReasonPrimaryReplaced: true}

// needsHuman are the reasons for which waiting doesn't help.
var needsHuman = map[string]bool{
	v1alpha1.ReasonFluxSuspended:      true,
	v1alpha1.ReasonSlotLost:           true,
	v1alpha1.ReasonCommitsLost:        true,
	v1alpha1.ReasonRetainedWAL:        true,
	v1alpha1.ReasonVerificationFailed: true,
	v1alpha1.ReasonJobFailed:          true,
	v1alpha1.ReasonSchemaDrift:        true,
	v1alpha1.ReasonUnknownTarget:      true,
	v1alpha1.ReasonConflictingSpec:    true,
	v1alpha1.ReasonProposalRefused:    true,
	v1alpha1.ReasonHookFailed:         true,
	v1alpha1.ReasonAnalysisFailed:     true,
}

// retryStep is the interval for a step that waits for something outside.
const retryStep = time.Second

func noProxy(upgrade *v1alpha1.PgUpgrade) outcome.Outcome {
	return outcome.Outcome{Reason: v1alpha1.ReasonFluxPending, RequeueAfter: outcome.RetrySoon,
		Message: fmt.Sprintf("PgProxy %s does not exist; Flux has to apply it", upgrade.Spec.ProxyRef.Name)}
}

func (r *UpgradeReconciler) idle(upgrade *v1alpha1.PgUpgrade, s *observed, d steps.Decision) outcome.Outcome {
	status := &upgrade.Status
	status.Version = steps.VersionOf(upgrade.Name, upgrade.Spec.Adopt, s.facts.Active)
	if s.facts.Wanted == status.Version {
		status.HandledVersion, status.HandledRetry = s.facts.Wanted, s.facts.Retry
		return outcome.Outcome{Ready: true, Reason: d.Reason, Message: d.Message}
	}
	if d.Reason == v1alpha1.ReasonRehearsed { // all that Git asks for is done
		return outcome.Outcome{Ready: true, Reason: d.Reason, Message: d.Message}
	}
	return outcome.Outcome{Reason: d.Reason, Message: d.Message, Stalled: true, RequeueAfter: outcome.RetryStalled}
}
