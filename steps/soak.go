package steps

import (
	"cmp"
	"context"
	"fmt"

	"github.com/fluxcd/pkg/runtime/conditions"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/gate"
)

// soakDone: the soak is over, by time or by a commit. The transitions out of the soak
// (a revert, another version) are Next's.
func soakDone(ctx context.Context, run *Run) (Verdict, error) {
	proxy := run.Proxy
	if proxy == nil || proxy.Status.Active != run.Status.To || proxy.Status.Switch != nil {
		return waiting(v1alpha1.ReasonSwitching, "waiting for the switch in progress"), nil
	}
	recovering, failed := recovers(ctx, run, run.Status.To, run.Status.From)
	if proxy.Spec.Target != run.Status.To {
		if recovering != nil { // the switch waits for it
			return *recovering, nil
		}
		// a revert that no switch has carried out yet
		return waiting(v1alpha1.ReasonSwitching, "Git wants %s to serve; the soak of %s doesn't end before the switch is made or reverted: %s",
			proxy.Spec.Target, run.Status.To, cmp.Or(conditions.GetMessage(proxy, v1alpha1.ReadyCondition), "the switch is beginning")), nil
	}
	spec := run.Upgrade.Spec.Soak
	version := VersionOf(run.Upgrade.Name, run.Upgrade.Spec.Adopt, run.Status.To)
	if spec.FinalizedVersion == version {
		// whatever has become of the rollback path
		return unlessReverted(ctx, run, done("finalization approved by spec.soak.finalizedVersion in Git"))
	}
	if err := watchRollbackPath(ctx, run); err != nil {
		return Verdict{}, err
	}
	if proxy.Status.ActiveSince == nil {
		return waiting(v1alpha1.ReasonSwitching, "waiting for the PgProxy to say since when %s serves", run.Status.To), nil
	}
	end := proxy.Status.ActiveSince.Add(run.soak())
	left, manual := end.Sub(run.Now()), spec.Finalize == "Manual"
	frozen := gate.Frozen(run.Upgrade.Spec.Freezes, run.Now())
	goesOn := manual || left > 0 || frozen != nil
	if goesOn {
		if recovering != nil || failed != nil {
			return ptr.Deref(recovering, Verdict{}), failed
		}
		v, err := rollbackBroken(ctx, run, run.Status.To, run.Status.From, fmt.Sprintf("commit spec.soak.finalizedVersion: %q to end the soak", version))
		if v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
	}
	soaking := waiting(v1alpha1.ReasonSoakInProgress, "%s serves, %s follows; git revert of the cutover commit is a rollback. Commit spec.soak.finalizedVersion: %q to end the soak",
		run.Status.To, run.Status.From, version)
	if !manual {
		soaking = waiting(v1alpha1.ReasonSoakInProgress, "%s serves, %s follows; git revert of the cutover commit is a rollback until %s",
			run.Status.To, run.Status.From, end.UTC().Format("2006-01-02 15:04:05 UTC"))
		soaking.RequeueAfter = min(max(left, 0), slowLook)
	}
	if !manual && left <= 0 && frozen != nil {
		soaking = waiting(v1alpha1.ReasonSoakInProgress, "%s serves, %s follows; git revert of the cutover commit is a rollback. The soak doesn't end by itself while %s. Commit spec.soak.finalizedVersion: %q to end it",
			run.Status.To, run.Status.From, frozen, version)
		soaking.RequeueAfter = slowLook
	}
	if goesOn {
		if v := compareInTime(run, run.Status.From, soaking); v != nil {
			return *v, nil
		}
		return soaking, nil
	}
	if skew, err := clockSkew(ctx, run); skew != nil || err != nil {
		return ptr.Deref(skew, Verdict{}), err
	}
	if closed, err := byTheClock(ctx, run, nil); closed != nil || err != nil {
		return ptr.Deref(closed, Verdict{}), err
	}
	return unlessReverted(ctx, run, done("soaked for %s", run.soak()))
}

// rollbackBroken says why a rollback to the side that follows isn't possible, or what the rollback path
// costs; nil if nothing is wrong.
func rollbackBroken(ctx context.Context, run *Run, serves, follows, wayOut string) (*Verdict, error) {
	if v, err := retainedFor(ctx, run, serves, follows, wayOut); v != nil || err != nil {
		return v, err
	}
	if v := rollbackStopped(ctx, run, serves, follows); v != nil {
		return v, nil
	}
	if reason, words := run.Git.Undelivered(); reason != "" {
		v := waiting(reason, "%s%s", WouldNotArrive, words)
		v.RequeueAfter = slowLook
		return &v, nil
	}
	return nil, nil
}

// WouldNotArrive begins what a soak and RollbackReady say while Flux would not apply a revert.
const WouldNotArrive = "a revert would not arrive: "

// unlessReverted ends a soak unless Git has a revert that Flux has not applied yet.
func unlessReverted(ctx context.Context, run *Run, end Verdict) (Verdict, error) {
	stands, err := run.Git.Targets(ctx, run.Status.To)
	if err != nil {
		return Verdict{}, err
	}
	if !stands {
		return waiting(v1alpha1.ReasonFluxPending, "the branch no longer leads PgProxy %s to %s; the soak doesn't end before Flux has applied that, or it is reverted",
			run.Proxy.Name, run.Status.To), nil
	}
	return end, nil
}

// watchRollbackPath keeps the lag of the side that follows in the status.
func watchRollbackPath(ctx context.Context, run *Run) error {
	green, err := run.green(ctx)
	if err != nil {
		return err
	}
	behind, err := backlog(ctx, run, green, run.Status.From)
	if err != nil {
		return err
	}
	showLag(run, behind, run.lagLimit())
	if !GivesIdentities(run.Upgrade) {
		return nil
	}
	_, err = showIdentities(ctx, run, green)
	return err
}

// compareInTime compares rows of both sides in a soak, or after a rollback, as often as the spec says, and reports
// differences; nil if there are none and no comparison is due. goesOn is the verdict meanwhile.
func compareInTime(run *Run, follows string, goesOn Verdict) *Verdict {
	every := run.Upgrade.Spec.Soak.CompareEvery
	v := run.Status.Verification
	if every == nil || every.Duration <= 0 || v == nil {
		return nil
	}
	again := every.Duration
	if len(v.Mismatches) > 0 {
		again = min(again, verifyAgain)
	}
	since := run.Now().Sub(v.At.Time)
	switch {
	case since >= again || since < 0: // less than nothing: a clock was set back
		goesOn.Message += "; comparing rows" + comparingText(run.Status.Comparing)
		goesOn.RunNeeded, goesOn.Slow, goesOn.Effect, goesOn.RequeueAfter = true, true, compareSides, slowAgain
		return &goesOn
	case len(v.Mismatches) > 0:
		differ := waiting(v1alpha1.ReasonVerificationFailed, "%d differences were found: %s. Don't return to %s before they are fixed; compared again every %s",
			len(v.Mismatches), some(v.Mismatches), follows, again)
		return &differ
	}
	return nil
}

// compareSides compares the side that serves with the one that follows.
func compareSides(ctx context.Context, run *Run) error {
	serves, follows := run.Status.To, run.Status.From
	if run.active() == follows {
		serves, follows = follows, serves
	}
	publisher, subscriber, err := run.pair(ctx, serves, follows)
	if err != nil {
		return err
	}
	return compareRows(ctx, run, publisher, subscriber)
}
