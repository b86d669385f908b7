package controllers

import (
	"cmp"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"

	"github.com/gitover/gitover/api/v1alpha1"
)

// outcome is what one reconcile came to; report turns it into conditions.
type outcome struct {
	reason, message string
	// ready: the object is as Git wants it.
	ready bool
	// stalled: a human must act.
	stalled bool
	// failing: the look or its effect failed, as may pass.
	failing bool
	// requeueAfter is when to look next; zero leaves it to the interval.
	requeueAfter time.Duration
	// changed: the spec is another by now, so the look says nothing.
	changed bool
}

// conditioned is any of our kinds.
type conditioned interface {
	conditions.Setter
	runtime.Object
}

// report alone sets Ready, Reconciling and Stalled, so that they never contradict each
// other: stalled excludes reconciling, ready excludes both.
func report(object conditioned, o outcome) {
	message := cmp.Or(o.message, o.reason)
	switch {
	case o.ready:
		conditions.MarkTrue(object, v1alpha1.ReadyCondition, o.reason, "%s", message)
		conditions.Delete(object, v1alpha1.ReconcilingCondition)
		conditions.Delete(object, v1alpha1.StalledCondition)
	case o.stalled:
		conditions.MarkFalse(object, v1alpha1.ReadyCondition, o.reason, "%s", message)
		conditions.MarkTrue(object, v1alpha1.StalledCondition, o.reason, "%s", message)
		conditions.Delete(object, v1alpha1.ReconcilingCondition)
	default:
		conditions.MarkFalse(object, v1alpha1.ReadyCondition, o.reason, "%s", message)
		conditions.MarkTrue(object, v1alpha1.ReconcilingCondition, v1alpha1.ReasonProgressing, "%s", message)
		conditions.Delete(object, v1alpha1.StalledCondition)
	}
}

// reportSuspended says so and leaves the rest as it was.
func reportSuspended(object conditioned, suspended bool) {
	if suspended {
		conditions.MarkTrue(object, v1alpha1.SuspendedCondition, v1alpha1.ReasonSuspended, "spec.suspend is true; replication goes on, no step does")
		return
	}
	conditions.Delete(object, v1alpha1.SuspendedCondition)
}

// outcomeOf an error: its reason, and whether only a human can help. A stalled object is
// looked at again all the same, since what fixes it may be out of sight (a Secret, a
// server, a branch's protection).
func outcomeOf(err error, during string) outcome {
	m := reasonOf(err, cmp.Or(during, v1alpha1.ReasonProgressing))
	o := outcome{reason: m.reason, message: err.Error(), stalled: m.stalled, failing: !m.stalled, requeueAfter: retrySoon}
	if m.stalled {
		o.requeueAfter = retryStalled
	}
	return o
}

const (
	// retryMoment: what is waited for is under way.
	retryMoment = 250 * time.Millisecond
	// retrySoon: a step in progress, or a failure that passes while somebody waits for a switch.
	retrySoon = 2 * time.Second
	// retryStalled: waiting for a human; cheap looks, so that it goes on by itself soon
	// after it is fixed.
	retryStalled = 10 * time.Second
)

// emitEvents emits one event per change of reason, so that a failure that stays the same
// doesn't fill the event log.
func emitEvents(recorder record.EventRecorder, object conditioned, before string, o outcome) {
	now := o.reason + "\x00" + fmt.Sprint(o.stalled)
	if before == now {
		return
	}
	kind := corev1.EventTypeNormal
	if o.stalled {
		kind = corev1.EventTypeWarning
	}
	recorder.Event(object, kind, o.reason, cmp.Or(o.message, o.reason))
}

// lastReported remembers what was last reported, for emitEvents.
func lastReported(object conditioned) string {
	ready := conditions.Get(object, v1alpha1.ReadyCondition)
	if ready == nil {
		return ""
	}
	return ready.Reason + "\x00" + fmt.Sprint(conditions.IsTrue(object, v1alpha1.StalledCondition))
}
