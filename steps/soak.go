package steps

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/analysis"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/gate"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
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
	if recovering == nil && failed == nil {
		if err := watchRollbackPath(ctx, run); err != nil {
			return slotsDropped(ctx, run, run.Status.To, run.Status.From, err)
		}
	}
	if proxy.Status.ActiveSince == nil {
		return waiting(v1alpha1.ReasonSwitching, "waiting for the PgProxy to say since when %s serves", run.Status.To), nil
	}
	end := proxy.Status.ActiveSince.Add(run.soak())
	soaking := analyzed(ctx, run, soakingUntil(run, version, end))
	if Reverting(run.Upgrade, proxy, run.Now()) {
		return soaking, nil
	}
	reason, words := analysis.Unsettled(spec.Analysis, run.Status.Analysis)
	frozen := gate.Frozen(run.Upgrade.Spec.Freezes, run.Now())
	over := spec.Finalize != manual && !run.Now().Before(end)
	switch {
	case over && reason != "":
		soaking = waiting(reason, "the soak would be over, but %s. Commit spec.soak.finalizedVersion: %q to end it all the same", words, version)
		soaking.RequeueAfter = untilRound(run, slowLook)
	case over && frozen != nil:
		soaking = waiting(v1alpha1.ReasonSoakInProgress, "%s serves, %s follows; git revert of the cutover commit is a rollback. The soak doesn't end by itself while %s. Commit spec.soak.finalizedVersion: %q to end it",
			run.Status.To, run.Status.From, frozen, version)
		soaking.RequeueAfter = untilRound(run, slowLook)
	}
	over = over && reason == "" && frozen == nil
	if !over {
		if recovering != nil || failed != nil {
			return ptr.Deref(recovering, Verdict{}), failed
		}
		v, err := rollbackBroken(ctx, run, run.Status.To, run.Status.From, fmt.Sprintf("commit spec.soak.finalizedVersion: %q to end the soak", version))
		if v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
		if v := compareInTime(run, run.Status.From, soaking); v != nil {
			return *v, nil
		}
		return soaking, nil
	}
	if v, err := lastCopy(ctx, run, recovering, failed); v != nil || err != nil {
		return ptr.Deref(v, Verdict{}), err
	}
	if skew, err := clockSkew(ctx, run); skew != nil || err != nil {
		return ptr.Deref(skew, Verdict{}), err
	}
	if closed, err := byTheClock(ctx, run, nil); closed != nil || err != nil {
		return ptr.Deref(closed, Verdict{}), err
	}
	return unlessReverted(ctx, run, done("soaked for %s%s", run.soak(), passedText(run.Status.Analysis)))
}

// lastCopy keeps the clock from ending a soak while the side that follows may be the only one that has some confirmed commits; nil if
// it isn't. recovering and failed are what recovers returned.
func lastCopy(ctx context.Context, run *Run, recovering *Verdict, failed error) (*Verdict, error) {
	if failed != nil {
		return nil, failed
	}
	serves, follows := run.Status.To, run.Status.From
	v := recovering
	switch {
	case v != nil && run.Status.Failover == nil: // an address leads to a standby
	case v != nil && failover.HoldsRows(*run.Status):
	default:
		green, err := run.green(ctx)
		if err != nil {
			return nil, err
		}
		replaced, err := failover.Unnoticed(ctx, run.Status.Servers, green)
		if err != nil || !replaced {
			return nil, err
		}
		v = ptr.To(waiting(v1alpha1.ReasonPrimaryReplaced, "the primary of %s was replaced, and may lack commits that %s has, which doesn't answer", serves, follows))
	}
	v.Message += fmt.Sprintf(". The soak would be over; commit spec.soak.finalizedVersion: %q to end it without them",
		VersionOf(run.Upgrade.Name, run.Upgrade.Spec.Adopt, serves))
	return v, nil
}

// soakingUntil says what a soak waits for.
func soakingUntil(run *Run, version string, end time.Time) Verdict {
	if run.Upgrade.Spec.Soak.Finalize == manual {
		return waiting(v1alpha1.ReasonSoakInProgress, "%s serves, %s follows; git revert of the cutover commit is a rollback. Commit spec.soak.finalizedVersion: %q to end the soak",
			run.Status.To, run.Status.From, version)
	}
	soaking := waiting(v1alpha1.ReasonSoakInProgress, "%s serves, %s follows; git revert of the cutover commit is a rollback until %s",
		run.Status.To, run.Status.From, end.UTC().Format("2006-01-02 15:04:05 UTC"))
	soaking.RequeueAfter = min(max(end.Sub(run.Now()), 0), slowLook)
	return soaking
}

// analyzed makes the checks of spec.soak.analysis that are due, and notes their results in the status. If they fail and the cutover is
// to be reverted, the verdict says so; otherwise it is the one that is given, with another time to look again.
func analyzed(ctx context.Context, run *Run, soaking Verdict) Verdict {
	spec, status := run.Upgrade.Spec.Soak.Analysis, run.Status
	if spec == nil {
		status.Analysis = nil
		return soaking
	}
	if a := status.Analysis; a == nil {
		status.Analysis = &v1alpha1.AnalysisStatus{}
	} else if f := a.Failure; f != nil && f.Refused != "" && f.Retry != run.Upgrade.Spec.Retry {
		status.Analysis = &v1alpha1.AnalysisStatus{Round: a.Round + 1}
		status.HandledRetry = run.Upgrade.Spec.Retry
	}
	if untilRound(run, 0) <= 0 {
		results := analysis.Round(ctx, spec, run.sources())
		if ctx.Err() != nil { // the look has ended, which says nothing about the instance
			return soaking
		}
		analysis.Judge(spec, status.Analysis, results, run.Now())
	}
	if Reverting(run.Upgrade, run.Proxy, run.Now()) {
		v := waiting(CommitRollback, "%s; the cutover will be reverted", status.Analysis.Failure.Message)
		v.RequeueAfter = time.Millisecond
		return v
	}
	soaking.RequeueAfter = untilRound(run, cmp.Or(soaking.RequeueAfter, slowLook))
	return soaking
}

// untilRound is how long it is until the checks are made again, but no longer than most, unless that is 0.
func untilRound(run *Run, most time.Duration) time.Duration {
	spec := run.Upgrade.Spec.Soak.Analysis
	if spec == nil {
		return most
	}
	next := analysis.Next(spec, run.Status.Analysis, run.Proxy.Status.ActiveSince.Time, run.Now())
	if most == 0 {
		return next
	}
	return max(min(next, most), 100*time.Millisecond)
}

// Reverting says whether the analysis failed so that the cutover is reverted now: the spec wants that, people didn't refuse it, and a
// revert loses nothing.
func Reverting(upgrade *v1alpha1.PgUpgrade, proxy *v1alpha1.PgProxy, now time.Time) bool {
	return analysis.Reverts(upgrade.Spec.Soak.Analysis, upgrade.Status.Analysis, now) && LosesNothing(upgrade.Status, proxy)
}

// LosesNothing says whether a revert of the cutover loses nothing, as far as is known.
func LosesNothing(status v1alpha1.PgUpgradeStatus, proxy *v1alpha1.PgProxy) bool {
	return conditions.IsTrue(proxy, v1alpha1.RollbackReadyCondition) && status.Failover == nil && failover.Opened(status, proxy) == nil
}

// RevertDecided says whether the cutover is being reverted because the analysis failed.
func RevertDecided(status v1alpha1.PgUpgradeStatus) bool {
	a := status.Analysis
	return status.Workflow == RevertCutover && a != nil && a.Failure != nil && a.Failure.DecidedAt != nil
}

// RevertRound counts the reverts that people refused before the one that a step commits for the analysis; 0 if it commits none.
func RevertRound(status v1alpha1.PgUpgradeStatus, step string) int32 {
	if step != CommitRollback || !RevertDecided(status) {
		return 0
	}
	return status.Analysis.Round
}

// refuseRevert notes that people refused the revert of an analysis that failed: their word stands until spec.retry changes.
func refuseRevert(run *Run, format string, args ...any) Verdict {
	f := run.Status.Analysis.Failure
	f.Refused, f.Retry = fmt.Sprintf(format, args...), run.Upgrade.Spec.Retry
	v := waiting(CommitRollback, "the revert was refused: %s", f.Refused)
	v.RequeueAfter = time.Millisecond
	return v
}

// sources of the checks.
func (r *Run) sources() analysis.Sources {
	from := analysis.Sources{
		Namespace: r.Upgrade.Namespace, Upgrade: r.Upgrade.Name, Instance: r.Status.To,
		Version: VersionOf(r.Upgrade.Name, r.Upgrade.Spec.Adopt, r.Status.To),
		Server:  r.green, Former: r.blue, Poolers: r.Poolers, Secret: r.CheckSecret, Addresses: r.Addresses, ApplyErrors: r.applyErrors, Before: r.Status.Analysis.Checks,
	}
	if v := r.Status.Verification; v != nil && !v.At.Before(r.Proxy.Status.ActiveSince) {
		from.Differences = ptr.To(len(v.Mismatches))
	}
	return from
}

// applyErrors of the reverse replication since the cutover, which made its subscriptions.
func (r *Run) applyErrors(ctx context.Context) (sum int64, err error) {
	blue, err := r.blue(ctx)
	if err != nil {
		return 0, err
	}
	for _, db := range r.Status.Databases {
		s, err := replication.SubscriptionState(ctx, blue, db, r.Names().Subscription(db, r.Status.From))
		switch {
		case err != nil:
			return 0, err
		case !s.Exists:
			return 0, fmt.Errorf("the subscription in database %q on %s is missing", db, r.Status.From)
		case s.ApplyErrors < 0:
			return 0, fmt.Errorf("%s doesn't count apply errors; PostgreSQL does from version %d on", r.Status.From, postgres.WithSubscriptionErrors)
		}
		sum += s.ApplyErrors
	}
	return sum, nil
}

// passedText is what a soak's end says of its analysis.
func passedText(a *v1alpha1.AnalysisStatus) string {
	if a == nil {
		return ""
	}
	return fmt.Sprintf("; the analysis passed %d times", a.Passed)
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
