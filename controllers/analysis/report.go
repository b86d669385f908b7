package analysis

import (
	"fmt"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/analysis"
)

// Report sets the condition AnalysisPassed from the status, and emits an event when its reason changes. Without an analysis there is
// no such condition. A second call with the same status changes nothing.
func Report(recorder record.EventRecorder, upgrade *v1alpha1.PgUpgrade, proxy *v1alpha1.PgProxy, now time.Time) {
	c := condition(upgrade, proxy, now)
	if c == nil {
		conditions.Delete(upgrade, v1alpha1.AnalysisPassedCondition)
		return
	}
	before := conditions.Get(upgrade, v1alpha1.AnalysisPassedCondition).DeepCopy()
	c.Type = v1alpha1.AnalysisPassedCondition
	conditions.Set(upgrade, c)
	if before != nil && before.Reason == c.Reason {
		return
	}
	kind := corev1.EventTypeNormal
	switch c.Reason {
	case v1alpha1.ReasonAnalysisPending, v1alpha1.ReasonAnalysisUnknown: // it may be gone in a moment
		return
	case v1alpha1.ReasonAnalysisFailing, v1alpha1.ReasonAnalysisFailed, v1alpha1.ReasonAnalysisStalled:
		kind = corev1.EventTypeWarning
	}
	recorder.Event(upgrade, kind, c.Reason, c.Message)
}

// condition that the status stands for; nil if there's nothing to tell.
func condition(upgrade *v1alpha1.PgUpgrade, proxy *v1alpha1.PgProxy, now time.Time) *metav1.Condition {
	spec, status := upgrade.Spec.Soak.Analysis, upgrade.Status
	soaks := status.Workflow == steps.Upgrade && status.Step == steps.Soak
	a := status.Analysis
	switch {
	case spec == nil, status.Workflow == "", a == nil && !soaks:
		return nil
	case a != nil && a.Failure != nil:
		return is(metav1.ConditionFalse, v1alpha1.ReasonAnalysisFailed, "%s; %s", a.Failure.Message, follows(upgrade, proxy))
	case a == nil || a.LastRound == nil:
		return is(metav1.ConditionUnknown, v1alpha1.ReasonAnalysisPending, "nothing was checked yet; the checks begin %s after the switch",
			ptr.Deref(spec.InitialDelay, metav1.Duration{Duration: time.Minute}).Duration)
	}
	reason, message := analysis.Unsettled(spec, a)
	switch reason {
	case "":
		return is(metav1.ConditionTrue, v1alpha1.ReasonAnalysisPassed, "every check passed, in %d rounds so far", a.Passed)
	case v1alpha1.ReasonAnalysisPending:
		return is(metav1.ConditionUnknown, reason, "%s", message)
	case v1alpha1.ReasonAnalysisFailed:
		return is(metav1.ConditionFalse, v1alpha1.ReasonAnalysisFailing, "%s", message)
	}
	if long := ptr.Deref(spec.UnknownAfter, metav1.Duration{Duration: 10 * time.Minute}).Duration; unknownFor(a, now) > long {
		return is(metav1.ConditionUnknown, v1alpha1.ReasonAnalysisStalled, "%s (for more than %s)", message, long)
	}
	return is(metav1.ConditionUnknown, v1alpha1.ReasonAnalysisUnknown, "%s", message)
}

func is(status metav1.ConditionStatus, reason, format string, args ...any) *metav1.Condition {
	return &metav1.Condition{Status: status, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// unknownFor how long the check has been that is unknown for longest.
func unknownFor(a *v1alpha1.AnalysisStatus, now time.Time) (longest time.Duration) {
	for _, c := range a.Checks {
		if c.Verdict == v1alpha1.CheckUnknown {
			longest = max(longest, now.Sub(c.Since.Time))
		}
	}
	return longest
}

// follows says what follows from a failure.
func follows(upgrade *v1alpha1.PgUpgrade, proxy *v1alpha1.PgProxy) string {
	status, f := upgrade.Status, upgrade.Status.Analysis.Failure
	switch {
	case f.Refused != "":
		return fmt.Sprintf("the revert was refused: %s. Gitover reverts again only after spec.retry was changed", f.Refused)
	case status.Workflow == steps.RolledBack:
		return fmt.Sprintf("%s serves again", status.From)
	case f.DecidedAt != nil:
		return "Gitover reverts the cutover"
	case upgrade.Spec.Soak.Analysis.OnFailure == v1alpha1.AnalysisAlert:
		return "spec.soak.analysis.onFailure is Alert, so git revert of the cutover commit is up to you"
	case analysis.Alerts(upgrade.Spec.Soak.Analysis, f.Check):
		return "it tells of the way back, so it doesn't revert the cutover; see RollbackReady of the PgProxy"
	case proxy == nil || conditions.IsTrue(proxy, v1alpha1.RollbackReadyCondition):
		return "the cutover will be reverted"
	}
	return "it can't be reverted without a loss now, so Gitover doesn't: RollbackReady is False: " + conditions.GetMessage(proxy, v1alpha1.RollbackReadyCondition)
}

// Moved notes in the status what a transition means for the analysis: the decision to revert, the end of such a revert, and a new
// soak. It is called before the status takes over the decision. A second call changes nothing.
func Moved(upgrade *v1alpha1.PgUpgrade, d steps.Decision, now metav1.Time) {
	status := &upgrade.Status
	a := status.Analysis
	soaks := d.Workflow == steps.Upgrade && d.Step == steps.Soak && !d.NewAttempt
	switch {
	case a == nil:
	case d.NewAttempt:
		status.Analysis = nil
	case d.Reason == v1alpha1.ReasonAnalysisFailed && d.Workflow == steps.RevertCutover && a.Failure != nil:
		a.Failure.DecidedAt = &now
	case soaks && status.Workflow == steps.RevertCutover && a.Failure != nil:
		a.Failure.DecidedAt = nil
	case soaks && status.Workflow == steps.RolledBack && a.Failure != nil:
		a.Failure.DecidedAt = nil
		if a.Failure.Refused == "" {
			a.Failure.Refused, a.Failure.Retry = "Git makes "+status.To+" the target again", upgrade.Spec.Retry
		}
	case soaks && status.Workflow == steps.RolledBack:
		status.Analysis = &v1alpha1.AnalysisStatus{Round: a.Round}
	}
}
