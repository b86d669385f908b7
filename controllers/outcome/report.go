package outcome

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	"github.com/fluxcd/pkg/runtime/conditions"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/record"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Outcome is the result of one reconcile; Report turns it into conditions.
type Outcome struct {
	Reason, Message string
	// Ready: the object is as Git wants it.
	Ready bool
	// Stalled: a human must act.
	Stalled bool
	// Failing: the look or its effect failed; another attempt may succeed.
	Failing bool
	// RequeueAfter is when to look next; zero leaves it to the interval.
	RequeueAfter time.Duration
	// Changed: the spec is another by now, so the look says nothing.
	Changed bool
}

// conditioned is any of our kinds.
type conditioned interface {
	conditions.Setter
	runtime.Object
}

// Report alone sets Ready, Reconciling and Stalled, so that they never contradict each
// other: stalled excludes reconciling, ready excludes both.
func Report(object conditioned, o Outcome) {
	message := cmp.Or(o.Message, o.Reason)
	switch {
	case o.Ready:
		conditions.MarkTrue(object, v1alpha1.ReadyCondition, o.Reason, "%s", message)
		conditions.Delete(object, v1alpha1.ReconcilingCondition)
		conditions.Delete(object, v1alpha1.StalledCondition)
	case o.Stalled:
		conditions.MarkFalse(object, v1alpha1.ReadyCondition, o.Reason, "%s", message)
		conditions.MarkTrue(object, v1alpha1.StalledCondition, o.Reason, "%s", message)
		conditions.Delete(object, v1alpha1.ReconcilingCondition)
	default:
		conditions.MarkFalse(object, v1alpha1.ReadyCondition, o.Reason, "%s", message)
		conditions.MarkTrue(object, v1alpha1.ReconcilingCondition, v1alpha1.ReasonProgressing, "%s", message)
		conditions.Delete(object, v1alpha1.StalledCondition)
	}
}

// ReportSuspended says so and leaves the rest as it was.
func ReportSuspended(object conditioned, suspended bool) {
	if suspended {
		conditions.MarkTrue(object, v1alpha1.SuspendedCondition, v1alpha1.ReasonSuspended, "spec.suspend is true; replication goes on, no step does")
		return
	}
	conditions.Delete(object, v1alpha1.SuspendedCondition)
}

// Of an error: its reason, and whether a human must act. A stalled object is still looked at
// again, since the fix may be in something that isn't watched (a Secret, a server, a branch's
// protection).
func Of(err error, during string) Outcome {
	m := ReasonOf(err, cmp.Or(during, v1alpha1.ReasonProgressing))
	o := Outcome{Reason: m.Reason, Message: err.Error(), Stalled: m.Stalled, Failing: !m.Stalled, RequeueAfter: RetrySoon}
	if m.Stalled {
		o.RequeueAfter = RetryStalled
	}
	return o
}

const (
	// RetryMoment: the awaited change is in progress.
	RetryMoment = 250 * time.Millisecond
	// RetrySoon: a step in progress, or a temporary failure while a switch is wanted.
	RetrySoon = 2 * time.Second
	// RetryStalled: waiting for a human; cheap looks, so that work continues soon after the
	// fix.
	RetryStalled = 10 * time.Second
)

// EmitEvents emits one event per change of reason, so that a failure that stays the same
// doesn't fill the event log. What only shows that work goes on is of type Trace, of which people get no notification.
func EmitEvents(recorder record.EventRecorder, object conditioned, before string, o Outcome) {
	now := o.Reason + "\x00" + fmt.Sprint(o.Stalled)
	if before == now {
		return
	}
	kind := eventv1.EventTypeTrace
	switch {
	case o.Stalled, grave[o.Reason]:
		kind = corev1.EventTypeWarning
	case notable[o.Reason], strings.HasSuffix(before, stalled):
		kind = corev1.EventTypeNormal
	}
	recorder.Event(object, kind, o.Reason, cmp.Or(o.Message, o.Reason))
}

// stalled ends what LastReported says of an object that waited for a human.
const stalled = "\x00true"

// grave reasons: applications have no database, or may lose it, though it may pass by itself.
var grave = map[string]bool{v1alpha1.ReasonFenced: true, v1alpha1.ReasonNoPoolers: true}

// notable reasons: people want to know, though nothing is wrong.
var notable = map[string]bool{
	v1alpha1.ReasonPrimaryReplaced:    true,
	v1alpha1.ReasonWaitingForApproval: true,
	v1alpha1.ReasonWaitingForMerge:    true,
	v1alpha1.ReasonOutsideWindow:      true,
	v1alpha1.ReasonFrozen:             true,
	v1alpha1.ReasonRehearsed:          true,
	v1alpha1.ReasonSoakInProgress:     true,
	v1alpha1.ReasonCopyInterrupted:    true,
	v1alpha1.ReasonCopyPaused:         true,
	v1alpha1.ReasonWaitingForSoak:     true,
	v1alpha1.ReasonSwitchWaiting:      true,
	v1alpha1.ReasonClockSkew:          true,
	v1alpha1.ReasonTargetNotInGit:     true,
}

// LastReported remembers what was last reported, for EmitEvents.
func LastReported(object conditioned) string {
	ready := conditions.Get(object, v1alpha1.ReadyCondition)
	if ready == nil {
		return ""
	}
	return ready.Reason + "\x00" + fmt.Sprint(conditions.IsTrue(object, v1alpha1.StalledCondition))
}
