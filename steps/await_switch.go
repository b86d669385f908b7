package steps

import (
	"cmp"
	"context"
	"fmt"

	"github.com/fluxcd/pkg/runtime/conditions"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
)

// awaitSwitchDone: Flux applied the cutover commit, and the PgProxy controller moved traffic
// and set up the rollback path.
func awaitSwitchDone(ctx context.Context, run *Run) (Verdict, error) {
	if run.active() == run.Status.From {
		if v, err := recovers(ctx, run, run.Status.From, run.Status.To); v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
	}
	return awaitActive(ctx, run, CommitCutover, run.Status.To)
}

// awaitRollbackDone: traffic is on the old instance again.
func awaitRollbackDone(ctx context.Context, run *Run) (Verdict, error) {
	if run.active() == run.Status.To {
		if v, err := recovers(ctx, run, run.Status.To, run.Status.From); v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
	}
	return awaitActive(ctx, run, CommitRollback, run.Status.From)
}

func awaitActive(ctx context.Context, run *Run, commit, instance string) (Verdict, error) {
	if run.Proxy == nil {
		return waiting(v1alpha1.ReasonUnknownTarget, "PgProxy %s does not exist; Flux has to apply it", run.Upgrade.Spec.ProxyRef.Name), nil
	}
	state, err := delivered(ctx, run, commit)
	if err != nil {
		return Verdict{}, err
	}
	proxy := run.Proxy
	switch {
	case commit == CommitRollback && !state.Delivered && proxy.Spec.Target == instance:
		// Flux may be about to apply our cutover commit, which is older: until then blue
		// serves and is the target, too
		return waiting(cmp.Or(state.Reason, v1alpha1.ReasonFluxPending), "%s", cmp.Or(state.Message, "waiting for Flux to apply the commit")), nil
	case proxy.Status.Active == instance && proxy.Spec.Target == instance && proxy.Status.Switch == nil:
		return done("%s serves", instance), nil
	case commit == CommitRollback && RevertDecided(*run.Status) && proxy.Spec.Target != instance && proxy.Status.Switch == nil &&
		(state.RevertedBy != nil || state.Commit == nil && !state.AlreadyApplied):
		return refuseRevert(run, "Git makes %s the target again%s", proxy.Spec.Target, byWhom(state.RevertedBy)), nil
	case state.RevertedBy != nil && commit == CommitRollback && proxy.Spec.Target != instance:
		return waiting(v1alpha1.ReasonConflictingSpec, "the version says %s shall serve, but %s (%s) made %s the target again; make spec.version and the PgProxy's spec.target agree",
			instance, short(state.RevertedBy.SHA), state.RevertedBy.Author, proxy.Spec.Target), nil
	case state.RevertedBy != nil && proxy.Spec.Target != instance && proxy.Status.Switch == nil:
		return Verdict{Reverted: state.RevertedBy, Reason: v1alpha1.ReasonRolledBack,
			Message: fmt.Sprintf("the cutover commit was reverted by %s (%s)", short(state.RevertedBy.SHA), state.RevertedBy.Author)}, nil
	case proxy.Spec.Target != instance && !state.Delivered:
		return waiting(cmp.Or(state.Reason, v1alpha1.ReasonFluxPending), "%s", cmp.Or(state.Message, "waiting for Flux to apply the commit")), nil
	case proxy.Spec.Target != instance:
		return waiting(v1alpha1.ReasonFluxPending, "Flux applied the commit, but PgProxy %s still has spec.target %s; is its reconciliation disabled by an annotation?", proxy.Name, proxy.Spec.Target), nil
	}
	return waiting(cmp.Or(conditions.GetReason(proxy, v1alpha1.ReadyCondition), v1alpha1.ReasonSwitching), "%s", cmp.Or(conditions.GetMessage(proxy, v1alpha1.ReadyCondition), "the switch is beginning")), nil
}

func byWhom(commit *v1alpha1.Commit) string {
	if commit == nil {
		return ""
	}
	return fmt.Sprintf(", by %s (%s)", short(commit.SHA), commit.Author)
}

// whyBack says why traffic returns.
func whyBack(run *Run) string {
	switch {
	case RevertDecided(*run.Status):
		return "the analysis failed: " + run.Status.Analysis.Failure.Message
	case run.Proxy != nil && run.Proxy.Status.LastFailure != "" && run.Status.Workflow == RevertCutover:
		return run.Proxy.Status.LastFailure
	}
	return "the version was reverted"
}
