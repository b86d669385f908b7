package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/metrics"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/internal/crash"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/switchover"
)

// after records how a switch ended, or that it is still in progress.
func (r *ProxyReconciler) after(ctx context.Context, x *proxyScope, result switchover.Result, err error) outcome.Outcome {
	p := x.proxy
	var waiting *switchover.WaitingError
	var aborted *switchover.AbortedError
	var undecided *switchover.UndecidedError
	var unfinished *switchover.UnfinishedError
	if err != nil && !r.isOurs(ctx, x) {
		return outcome.Outcome{Reason: v1alpha1.ReasonSwitching, RequeueAfter: outcome.RetrySoon, Message: fmt.Sprintf("another controller took over switch %s: enable leader election", p.Status.Switch.ID)}
	}
	switch {
	case err == nil:
		return r.switched(ctx, x, result)
	case errors.As(err, &waiting):
		p.Status.Switch = nil
		return waitingFor(p, waiting)
	case errors.As(err, &unfinished):
		if err := r.activate(x, p.Status.Switch.To); err != nil {
			return outcome.Of(err, v1alpha1.ReasonSwitching)
		}
		message := unfinished.Error()
		if unfinished.RollbackPath {
			message += unfinishedAdvice(x)
		}
		return outcome.Outcome{Reason: v1alpha1.ReasonSwitching, RequeueAfter: outcome.RetrySoon, Message: message}
	case errors.As(err, &undecided):
		return outcome.Outcome{Reason: v1alpha1.ReasonSwitching, RequeueAfter: retryStep, Message: undecided.Error() + undecidedAdvice(x)}
	case errors.As(err, &aborted) && aborted.WrongMoment:
		return r.released(x, aborted)
	case errors.As(err, &aborted):
		return r.failed(x, aborted.Result, aborted.Error())
	}
	if p.Status.Switch != nil && p.Status.Switch.Phase != string(protocol.PhasePreparing) {
		return outcome.Outcome{Reason: v1alpha1.ReasonSwitching, RequeueAfter: retryStep, Message: err.Error()}
	}
	// nothing was held and nothing moved
	return r.failed(x, result, err.Error())
}

// switched records a switch that is complete.
func (r *ProxyReconciler) switched(ctx context.Context, x *proxyScope, result switchover.Result) outcome.Outcome {
	crash.Before(ctx, "switch/Record")
	p := x.proxy
	if err := r.activate(x, p.Status.Switch.To); err != nil {
		return outcome.Of(err, v1alpha1.ReasonSwitching)
	}
	entry := r.record(p, result, "Switched", "")
	p.Status.Switch = nil
	forgetAttempts(p, "")
	held := "another controller began it, so how long traffic was held is not known"
	if entry.HeldAt != nil {
		held = fmt.Sprintf("traffic was held for %.1f ms", float64(entry.HeldMicroseconds)/1000)
	}
	r.Recorder.AnnotatedEventf(p, revisionOf(entry.Commit), corev1.EventTypeNormal, "Switched", "%s serves instead of %s; %s", entry.To, entry.From, held)
	o := r.reconcileActive(ctx, x)
	if o.RequeueAfter == 0 || o.RequeueAfter > outcome.RetrySoon {
		o.RequeueAfter = outcome.RetrySoon
	}
	return o
}

// failed records an attempt that left everything as it was.
func (r *ProxyReconciler) failed(x *proxyScope, result switchover.Result, why string) outcome.Outcome {
	p := x.proxy
	entry := r.record(p, result, "Aborted", why)
	p.Status.Switch = nil
	p.Status.FailedTarget = entry.To
	p.Status.FailedAttempts++
	p.Status.LastFailure = why
	next := apiTime(r.Now().Add(retryIntervalOf(p)))
	p.Status.NextAttempt = &next
	r.Recorder.Eventf(p, corev1.EventTypeWarning, v1alpha1.ReasonSwitchFailed, "attempt %d of %d to reach %s: %s", p.Status.FailedAttempts, attemptsOf(p), entry.To, why)
	return outcome.Outcome{Reason: v1alpha1.ReasonSwitching, RequeueAfter: outcome.RetrySoon, Message: why}
}

// record a switch that ended, in the status, metrics and traces.
func (r *ProxyReconciler) record(p *v1alpha1.PgProxy, result switchover.Result, end, why string) v1alpha1.SwitchRecord {
	s := p.Status.Switch
	entry := v1alpha1.SwitchRecord{
		ID: s.ID, From: s.From, To: s.To, Outcome: end, Reason: why, Commit: s.Commit,
		FinishedAt: metav1.NewMicroTime(r.Now()), HeldMicroseconds: result.Held.Microseconds(),
		Position: result.Position, Terminated: int32(len(result.Terminated)), Servers: s.Servers,
	}
	if !result.HeldAt.IsZero() {
		held := metav1.NewMicroTime(result.HeldAt)
		entry.HeldAt, entry.Parts = &held, result.Parts.Map()
	}
	p.Status.Switches = append([]v1alpha1.SwitchRecord{entry}, p.Status.Switches...)
	p.Status.Switches = p.Status.Switches[:min(len(p.Status.Switches), 16)]
	metrics.Switch(entry)
	r.Tracer.Switch(p, entry)
	return entry
}

func waitingFor(p *v1alpha1.PgProxy, w *switchover.WaitingError) outcome.Outcome {
	return outcome.Outcome{Reason: v1alpha1.ReasonSwitchWaiting, RequeueAfter: outcome.RetrySoon,
		Message: fmt.Sprintf("%s serves; the switch to %s waits: %v", p.Status.Active, p.Spec.Target, w)}
}

func revisionOf(c *v1alpha1.Commit) map[string]string {
	if c == nil {
		return nil
	}
	return map[string]string{v1alpha1.RevisionAnnotation: "sha1:" + c.SHA}
}
