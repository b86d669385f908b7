package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	"github.com/fluxcd/pkg/runtime/patch"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/analysis"
	"github.com/gitover/gitover/controllers/logs"
	"github.com/gitover/gitover/controllers/metrics"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/internal/crash"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
)

// runWorkflow takes the workflow as far as is possible now: decide, persist the intent, look,
// act once, look again.
func (r *UpgradeReconciler) runWorkflow(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed, patcher *patch.SerialPatcher) outcome.Outcome {
	ctx = crash.Scope(ctx)
	status := &upgrade.Status
	var acted effectKind
	// a run has few rounds; the bound is for contradictory facts
	for range 64 {
		if s.proxy == nil {
			return noProxy(upgrade)
		}
		r.withdraw(ctx, upgrade, s)
		if err := r.cancelHooks(ctx, upgrade, s); err != nil {
			return r.failed(ctx, upgrade, err)
		}
		decision := steps.Next(*status, s.facts)
		r.startStep(ctx, upgrade, s, decision)
		showReplication(upgrade, s)
		analysis.Report(r.Recorder, upgrade, s.proxy, r.Now())
		if decision.Idle {
			if err := r.background.end(ctx, upgrade, ""); err != nil {
				return r.failed(ctx, upgrade, err)
			}
			if s.facts.Active == "" {
				return outcome.Outcome{Reason: v1alpha1.ReasonUnknownTarget, Message: "PgProxy " + s.proxy.Name + " has no active instance yet", RequeueAfter: outcome.RetrySoon}
			}
			return r.idle(upgrade, s, decision)
		}
		r.background.show(upgrade)
		if err := persist(ctx, patcher, upgrade); err != nil {
			return outcome.Of(err, status.Step)
		}
		step, _ := steps.Find(status.Workflow, status.Step)
		if step == nil {
			return outcome.Outcome{Reason: v1alpha1.ReasonInvalidSpec, Stalled: true, RequeueAfter: outcome.RetryStalled,
				Message: fmt.Sprintf("status names step %q of workflow %q, which this version of Gitover does not have", status.Step, status.Workflow)}
		}
		run := r.run(upgrade, s)
		name := status.Workflow + "/" + status.Step
		if step.Run == nil {
			crash.Before(ctx, name)
		}
		hooksBefore := slices.Clone(status.Hooks)
		verdict, err := lookAt(ctx, step, run)
		outcome.EmitHookEvents(r.Recorder, upgrade, hooksBefore)
		if err != nil {
			return r.failed(ctx, upgrade, err)
		}
		wanted := ""
		if verdict.RunNeeded && verdict.Slow {
			wanted = slowName(upgrade)
		}
		if err := r.background.end(ctx, upgrade, wanted); err != nil {
			return r.failed(ctx, upgrade, err)
		}
		switch {
		case verdict.Done:
			crash.After(ctx, name)
			r.completeStep(upgrade, verdict)
		case verdict.Reverted != nil:
			r.reverted(upgrade, verdict)
		case verdict.Leave != "":
			r.leave(upgrade, verdict)
		case verdict.ReturnTo != "":
			if err := r.back(ctx, upgrade, s, verdict); err != nil {
				return r.failed(ctx, upgrade, err)
			}
		case verdict.RunNeeded && (step.Run != nil || verdict.Effect != nil) && acted != effectKind{status.Step, verdict.Slow}:
			acted = effectKind{status.Step, verdict.Slow}
			if o := r.affect(ctx, upgrade, s, step, verdict, run, decision); o != nil {
				return *o
			}
		default:
			return r.wait(upgrade, step, verdict, decision)
		}
	}
	return outcome.Outcome{Reason: cmp.Or(status.Step, v1alpha1.ReasonProgressing), Message: "going on", RequeueAfter: retryStep}
}

// effectKind is an effect that a run makes once; then it waits.
type effectKind struct {
	step string
	slow bool
}

// affect makes a step's effect, or continues a slow one. Nil: look again.
func (r *UpgradeReconciler) affect(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed, step *steps.Step, verdict steps.Verdict,
	run *steps.Run, decision steps.Decision) *outcome.Outcome {
	setStepMessage(&upgrade.Status, verdict.Message)
	if warningReasons[verdict.Reason] && !r.background.goesOn(upgrade, slowName(upgrade)) {
		r.Recorder.Event(upgrade, corev1.EventTypeWarning, verdict.Reason, verdict.Message)
	}
	over := true
	var err error
	if verdict.Slow {
		over, err = r.slowly(ctx, upgrade, s, step, verdict)
	} else {
		err = r.act(ctx, upgrade, s, step, verdict, run)
	}
	var refused *steps.RefusedError
	var o outcome.Outcome
	switch {
	case errors.As(err, &refused):
		o = r.wait(upgrade, step, refused.Verdict, decision)
	case err != nil:
		o = r.failed(ctx, upgrade, err)
	case !over:
		o = r.wait(upgrade, step, verdict, decision)
	default:
		return nil
	}
	return &o
}

// startStep writes a decision into the status; what doesn't change is left alone.
func (r *UpgradeReconciler) startStep(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed, d steps.Decision) {
	status := &upgrade.Status
	if d.Idle {
		return
	}
	now := metav1.NewTime(r.Now().Truncate(time.Second))
	if d.Begin {
		*status = v1alpha1.PgUpgradeStatus{
			ObservedGeneration: status.ObservedGeneration, Conditions: status.Conditions, Version: status.Version, History: status.History, Rehearsal: status.Rehearsal,
			Run:  d.From + "-to-" + d.To + "-" + strconv.FormatInt(now.Unix(), 36),
			From: d.From, To: d.To, Attempt: 1,
			HandledVersion: s.facts.Wanted, HandledRetry: s.facts.Retry,
			BaseCommit:  tipOf(ctx, s),
			RequestedBy: r.requestedBy(ctx, upgrade, s),
		}
	}
	if d.Workflow == steps.Upgrade {
		status.HandledMode = upgrade.Spec.Mode
	}
	if d.NewAttempt {
		status.Attempt++
		status.HandledRetry = s.facts.Retry
		status.RolledBack, status.Verification, status.Comparing, status.Lag, status.RetainedBytes = nil, nil, nil, nil, 0
		status.Plan, status.ApprovedBy = nil, nil
		if f := status.Failover; f != nil {
			f.Copied = nil // rows that still differ are copied once more
		}
	}
	if status.Workflow == d.Workflow && status.Step == d.Step && !d.Begin && !d.NewAttempt {
		return
	}
	if d.Workflow == steps.Abort || d.Workflow == steps.Rollback {
		// the version was reverted in Git: asking for it again is a new request
		status.HandledVersion = ""
	}
	analysis.Moved(upgrade, d, now)
	changed := status.Workflow != d.Workflow
	if changed {
		status.RolledBack = r.revertedCutover(ctx, upgrade, s, d)
		if status.Step == steps.Soak || d.Workflow == steps.RolledBack {
			status.HandledRetry = s.facts.Retry // a revert is newer than what spec.retry asked for
		}
	}
	status.Workflow, status.Step = d.Workflow, d.Step
	began := v1alpha1.StepStatus{Name: d.Step, StartedAt: &now}
	status.Steps = append(withoutStep(status.Steps, d.Step), began)
	if changed && d.Message != "" {
		r.Recorder.Event(upgrade, corev1.EventTypeNormal, d.Workflow, d.Message)
	}
}

// revertedCutover is the commit that reverted the cutover, as far as Git can tell.
func (r *UpgradeReconciler) revertedCutover(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed, d steps.Decision) *v1alpha1.Commit {
	if d.Workflow != steps.RolledBack {
		return nil
	}
	state, err := r.git(upgrade, s).CommitState(ctx, steps.CommitCutover)
	if err != nil {
		logs.For(ctx, upgrade).Info("can't tell who reverted the cutover", "error", err.Error())
		return nil
	}
	return state.RevertedBy
}

func withoutStep(all []v1alpha1.StepStatus, name string) []v1alpha1.StepStatus {
	return slices.DeleteFunc(slices.Clone(all), func(s v1alpha1.StepStatus) bool { return s.Name == name })
}

// completeStep closes a finished step and goes to the next, or ends the run.
func (r *UpgradeReconciler) completeStep(upgrade *v1alpha1.PgUpgrade, verdict steps.Verdict) {
	status := &upgrade.Status
	now := metav1.NewTime(r.Now().Truncate(time.Second))
	for i := range status.Steps {
		if status.Steps[i].Name == status.Step {
			status.Steps[i].FinishedAt, status.Steps[i].Message = &now, verdict.Message
			metrics.Step(status.Step, started(status, status.Step), now.Time)
			r.Tracer.Step(upgrade, status.Steps[i])
		}
	}
	if status.Step == steps.Preflight || status.Step == steps.PreflightGreen {
		conditions.MarkTrue(upgrade, v1alpha1.PreflightPassedCondition, v1alpha1.ReasonPassed, "%s", verdict.Message)
	}
	r.Recorder.AnnotatedEventf(upgrade, annotations(status), corev1.EventTypeNormal, status.Step, "%s", verdict.Message)
	d := steps.Advance(*status)
	if d.Step == steps.Soak { // the switch that spec.retry may have asked for was made
		status.HandledRetry = upgrade.Spec.Retry
	}
	if d.Outcome != "" {
		r.close(upgrade, d.Outcome, now)
		return
	}
	status.Workflow, status.Step = d.Workflow, d.Step
	status.Steps = append(withoutStep(status.Steps, d.Step), v1alpha1.StepStatus{Name: d.Step, StartedAt: &now})
}

// mostCommits of a run that its entry in the history keeps: the newest.
const mostCommits = 32

// close ends a run with an entry in the history; its steps stay in the status.
func (r *UpgradeReconciler) close(upgrade *v1alpha1.PgUpgrade, outcome string, now metav1.Time) {
	status := &upgrade.Status
	entry := v1alpha1.HistoryEntry{From: status.From, To: status.To, Outcome: outcome, FinishedAt: now, Attempts: status.Attempt, Reason: status.EndedBy,
		Commits: status.Commits[max(0, len(status.Commits)-mostCommits):]}
	if len(status.Steps) > 0 {
		entry.StartedAt = status.Steps[0].StartedAt
	}
	r.Tracer.Run(upgrade, entry)
	status.History = append([]v1alpha1.HistoryEntry{entry}, status.History...)
	status.History = status.History[:min(len(status.History), 16)]
	status.Workflow, status.Step, status.Lag, status.RetainedBytes = "", "", nil, 0
	status.Servers, status.Failover = nil, nil
	metrics.Run(outcome)
	r.Recorder.Eventf(upgrade, corev1.EventTypeNormal, outcome, "%s to %s: %s", entry.From, entry.To, outcome)
}

// reverted obeys a human who reverted one of our commits.
func (r *UpgradeReconciler) reverted(upgrade *v1alpha1.PgUpgrade, verdict steps.Verdict) {
	status := &upgrade.Status
	status.RolledBack = verdict.Reverted
	now := metav1.NewTime(r.Now().Truncate(time.Second))
	switch status.Step {
	case steps.CommitCutover, steps.AwaitSwitch:
		status.Workflow, status.Step, status.HandledRetry = steps.RolledBack, steps.AwaitDecision, upgrade.Spec.Retry
	default:
		status.Workflow, status.Step = steps.Abort, steps.StopReplication
	}
	status.Steps = append(withoutStep(status.Steps, status.Step), v1alpha1.StepStatus{Name: status.Step, StartedAt: &now, Message: verdict.Message})
	r.Recorder.Event(upgrade, corev1.EventTypeNormal, v1alpha1.ReasonRolledBack, verdict.Message)
}

// leave ends the upgrade, which isn't begun again before Git asks for it.
func (r *UpgradeReconciler) leave(upgrade *v1alpha1.PgUpgrade, verdict steps.Verdict) {
	status := &upgrade.Status
	now := metav1.NewTime(r.Now().Truncate(time.Second))
	status.EndedBy = verdict.Message
	kind := corev1.EventTypeWarning
	if verdict.Rehearsal != nil {
		status.Rehearsal, kind = verdict.Rehearsal, corev1.EventTypeNormal
	}
	status.Workflow, status.Step = verdict.Leave, steps.Workflows[verdict.Leave][0].Name
	status.Steps = append(withoutStep(status.Steps, status.Step), v1alpha1.StepStatus{Name: status.Step, StartedAt: &now, Message: verdict.Message})
	r.Recorder.Event(upgrade, kind, cmp.Or(verdict.Reason, status.Workflow), verdict.Message)
}

// lookTimeout bounds one look at a step, which takes seconds if servers answer: a look that hangs must
// not keep Gitover from reading Git.
const lookTimeout = 3 * time.Minute

func lookAt(ctx context.Context, step *steps.Step, run *steps.Run) (steps.Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	ctx, end := postgres.ShareSessions(ctx)
	defer end()
	return step.Done(ctx, run)
}
