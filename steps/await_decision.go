package steps

import (
	"context"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
)

// awaitDecisionDone is never done: Next leaves this step when Git says how to continue.
func awaitDecisionDone(ctx context.Context, run *Run) (Verdict, error) {
	if v, err := recovers(ctx, run, run.Status.From, run.Status.To); v != nil || err != nil {
		return ptr.Deref(v, Verdict{}), err
	}
	if v, err := rollbackBroken(ctx, run, run.Status.From, run.Status.To, "revert the version"); v != nil || err != nil {
		return ptr.Deref(v, Verdict{}), err
	}
	back := waiting(v1alpha1.ReasonRolledBack, "the cutover to %s was reverted; change the version, set spec.retry, or revert the revert", run.Status.To)
	if v := compareInTime(run, run.Status.To, back); v != nil {
		return *v, nil
	}
	return back, nil
}
