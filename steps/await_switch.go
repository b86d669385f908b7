package steps

import (
	"context"
	"fmt"

	"github.com/gitover/gitover/api/v1alpha1"
)

// awaitSwitchDone: Flux delivered the cutover commit and the PgProxy controller made it
// true, with the way back set up behind it.
func awaitSwitchDone(ctx context.Context, run *Run) (Verdict, error) {
	return awaitActive(ctx, run, CommitCutover, run.Status.To)
}

// awaitRollbackDone: traffic is on the old instance again.
func awaitRollbackDone(ctx context.Context, run *Run) (Verdict, error) {
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
		return waiting(or(state.Reason, v1alpha1.ReasonFluxPending), "%s", or(state.Message, "waiting for Flux to apply the commit")), nil
	case proxy.Status.Active == instance && proxy.Spec.Target == instance && proxy.Status.Switch == nil:
		return done("%s serves", instance), nil
	case state.RevertedBy != nil && commit == CommitRollback && proxy.Spec.Target != instance:
		return waiting(v1alpha1.ReasonContradiction, "the version says %s shall serve, but %s (%s) made %s the target again; make spec.version and the PgProxy's spec.target agree",
			instance, short(state.RevertedBy.SHA), state.RevertedBy.Author, proxy.Spec.Target), nil
	case state.RevertedBy != nil && proxy.Spec.Target != instance && proxy.Status.Switch == nil:
		return Verdict{Reverted: state.RevertedBy, Reason: v1alpha1.ReasonRolledBack,
			Message: fmt.Sprintf("the cutover commit was reverted by %s (%s)", short(state.RevertedBy.SHA), state.RevertedBy.Author)}, nil
	case proxy.Spec.Target != instance && !state.Delivered:
		return waiting(or(state.Reason, v1alpha1.ReasonFluxPending), "%s", or(state.Message, "waiting for Flux to apply the commit")), nil
	case proxy.Spec.Target != instance:
		return waiting(v1alpha1.ReasonFluxPending, "Flux applied the commit, but PgProxy %s still has spec.target %s; is it annotated to be left alone?", proxy.Name, proxy.Spec.Target), nil
	}
	return waiting(or(readyReason(proxy), v1alpha1.ReasonSwitching), "%s", or(readyMessage(proxy), "the switch is beginning")), nil
}

// soakDone: the soak is over, by time or by a commit. The transitions out of the soak
// (a revert, another version) are Next's.
func soakDone(ctx context.Context, run *Run) (Verdict, error) {
	proxy := run.Proxy
	switch {
	case proxy == nil || proxy.Status.Active != run.Status.To || proxy.Status.Switch != nil:
		return waiting(v1alpha1.ReasonSwitching, "waiting for the switch in progress"), nil
	case proxy.Spec.Target != run.Status.To:
		// a revert that isn't carried out yet
		return waiting(v1alpha1.ReasonSwitching, "Git wants %s to serve; the soak of %s doesn't end before the switch is made or taken back: %s",
			proxy.Spec.Target, run.Status.To, or(readyMessage(proxy), "the switch is beginning")), nil
	}
	spec := run.Upgrade.Spec.Soak
	version := VersionOf(run.Upgrade.Name, run.Upgrade.Spec.Adopt, run.Status.To)
	if spec.FinalizedVersion == version {
		// whatever has become of the way back
		return unlessReverted(ctx, run, done("finalization approved by spec.soak.finalizedVersion in Git"))
	}
	if err := watchWayBack(ctx, run); err != nil {
		return Verdict{}, err
	}
	if proxy.Status.ActiveSince == nil {
		return waiting(v1alpha1.ReasonSwitching, "waiting for the PgProxy to say since when %s serves", run.Status.To), nil
	}
	end := proxy.Status.ActiveSince.Add(run.soak())
	left, manual := end.Sub(run.Now()), spec.Finalize == "Manual"
	if manual || left > 0 {
		v, err := retainedFor(ctx, run, run.Status.To, run.Status.From, fmt.Sprintf("commit spec.soak.finalizedVersion: %q to end the soak", version))
		if v != nil || err != nil {
			return deref(v), err
		}
		if v := stoppedWayBack(ctx, run, run.Status.To, run.Status.From); v != nil {
			return *v, nil
		}
		if v := followerReplaced(ctx, run, run.Status.To, run.Status.From); v != nil {
			return *v, nil
		}
	}
	soaking := waiting(v1alpha1.ReasonSoakInProgress, "%s serves, %s follows; git revert of the cutover commit is a rollback. Commit spec.soak.finalizedVersion: %q to end the soak",
		run.Status.To, run.Status.From, version)
	if !manual {
		soaking = waiting(v1alpha1.ReasonSoakInProgress, "%s serves, %s follows; git revert of the cutover commit is a rollback until %s",
			run.Status.To, run.Status.From, end.UTC().Format("2006-01-02 15:04:05 UTC"))
		soaking.Again = min(max(left, 0), slowLook)
	}
	if manual || left > 0 {
		if v := compareInTime(run, run.Status.From, soaking); v != nil {
			return *v, nil
		}
		return soaking, nil
	}
	if skew, err := clockSkew(ctx, run); skew != nil || err != nil {
		return deref(skew), err
	}
	return unlessReverted(ctx, run, done("soaked for %s", run.soak()))
}

// unlessReverted is the end of a soak, if no revert is in Git that Flux has yet to apply.
func unlessReverted(ctx context.Context, run *Run, end Verdict) (Verdict, error) {
	stands, err := run.Git.Targets(ctx, run.Status.To)
	if err != nil {
		return Verdict{}, err
	}
	if !stands {
		return waiting(v1alpha1.ReasonFluxPending, "the branch no longer leads PgProxy %s to %s; the soak doesn't end before Flux has applied that, or it is taken back",
			run.Proxy.Name, run.Status.To), nil
	}
	return end, nil
}

// watchWayBack keeps the lag of the side that follows in the status.
func watchWayBack(ctx context.Context, run *Run) error {
	green, err := run.green(ctx)
	if err != nil {
		return err
	}
	bytes, err := lag(ctx, run, green, run.Status.From)
	if err != nil {
		return err
	}
	showLag(run, bytes, run.lagLimit())
	if !GivesIdentities(run.Upgrade) {
		return nil
	}
	_, err = showIdentities(ctx, run, green)
	return err
}

// awaitDecisionDone never is: Next leaves this step when Git says how.
func awaitDecisionDone(ctx context.Context, run *Run) (Verdict, error) {
	if v, err := retainedFor(ctx, run, run.Status.From, run.Status.To, "take the version back"); v != nil || err != nil {
		return deref(v), err
	}
	if v := stoppedWayBack(ctx, run, run.Status.From, run.Status.To); v != nil {
		return *v, nil
	}
	if v := followerReplaced(ctx, run, run.Status.From, run.Status.To); v != nil {
		return *v, nil
	}
	back := waiting(v1alpha1.ReasonRolledBack, "the cutover to %s was taken back; change the version, set spec.retry, or revert the revert", run.Status.To)
	if v := compareInTime(run, run.Status.To, back); v != nil {
		return *v, nil
	}
	return back, nil
}
