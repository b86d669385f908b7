package steps

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/fluxcd/pkg/runtime/conditions"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/switchover"
)

// removing are the steps that remove what an instance needs to serve again: its replication,
// its manifests, its volumes.
var removing = map[string]bool{
	StopReplication: true, CommitRemoveGreen: true, AwaitGreenGone: true,
	StopReverse: true, CommitFinalize: true, AwaitPruned: true,
}

// InstanceBeingRemoved is the instance that the step in the status removes. No switch to it may begin.
// Empty in every other step.
func InstanceBeingRemoved(status v1alpha1.PgUpgradeStatus) string {
	leaving, _ := removedAndKept(status)
	return leaving
}

func removedAndKept(status v1alpha1.PgUpgradeStatus) (leaves, stays string) {
	switch {
	case !removing[status.Step]:
		return "", ""
	case status.Workflow == Upgrade:
		return status.From, status.To
	}
	return status.To, status.From
}

// RefusedError is a step's error if its effect would change the instance that serves, or is
// about to. Nothing was done; the verdict says what the step waits for.
type RefusedError struct{ Verdict Verdict }

func (r *RefusedError) Error() string { return r.Verdict.Message }

// guardRemoval makes a step that removes an instance check which one serves, before it judges
// and once more before its effect. The step is in the stored status by then, and the PgProxy
// controller looks for it there after it has stored its claim to a switch: each stores first
// and reads afterwards, so one of the two sees the other.
func guardRemoval(s Step) Step {
	judge, effect := s.Done, s.Run
	s.Done = func(ctx context.Context, run *Run) (Verdict, error) {
		if refusal, err := removalBlocked(ctx, run); refusal != nil || err != nil {
			return ptr.Deref(refusal, Verdict{}), err
		}
		return judge(ctx, run)
	}
	s.Run = func(ctx context.Context, run *Run) error {
		refusal, err := removalBlocked(ctx, run)
		if err != nil {
			return err
		}
		if refusal != nil {
			return &RefusedError{Verdict: *refusal}
		}
		return effect(ctx, run)
	}
	return s
}

// removalBlocked is nil if the instance that stays serves, has what the other one has, Git wants nothing else, and no switch is
// in progress.
func removalBlocked(ctx context.Context, run *Run) (*Verdict, error) {
	leaves, stays := removedAndKept(*run.Status)
	proxy, err := run.FreshProxy(ctx)
	if err != nil {
		return nil, err
	}
	var v Verdict
	switch {
	case proxy == nil:
		v = waiting(v1alpha1.ReasonFluxPending, "PgProxy %s does not exist; Flux has to apply it", run.Upgrade.Spec.ProxyRef.Name)
	case proxy.Status.Switch != nil:
		v = waiting(v1alpha1.ReasonSwitching, "a switch to %s is in progress; %s is not removed before it has ended", proxy.Status.Switch.To, leaves)
	case proxy.Spec.Target == stays && proxy.Status.Active == stays:
		return holdsLastCopy(ctx, run, proxy)
	case proxy.Spec.Target == stays:
		v = waiting(v1alpha1.ReasonSwitching, "%s is not removed before %s serves: %s", leaves, stays, cmp.Or(conditions.GetMessage(proxy, v1alpha1.ReadyCondition), "the switch is beginning"))
	case run.Status.Step == StopReverse:
		v, err = revertedInTime(ctx, run, proxy)
	default:
		v = conflictingSpec(run, proxy)
	}
	return &v, err
}

// holdsLastCopy: the primary of the instance that stays was replaced since its rows were last known to be complete, and the one that leaves has
// served, so it may be the only one that has some confirmed commits. A soak compares rows if the rollback path is still there;
// otherwise people decide, by a new value of spec.retry. Nil if there is nothing to decide.
func holdsLastCopy(ctx context.Context, run *Run, proxy *v1alpha1.PgProxy) (*Verdict, error) {
	status := run.Status
	leaves, stays := removedAndKept(*status)
	k := slices.IndexFunc(status.Servers, func(s v1alpha1.ServerIdentity) bool { return s.Instance == stays })
	if k < 0 || !failover.Served(*status, proxy, leaves) || slices.Contains(run.Upgrade.Spec.Acknowledge, switchover.ReplacedPrimary) {
		return nil, nil
	}
	server, err := run.Server(ctx, stays)
	if err != nil {
		return nil, err
	}
	now, err := failover.Identities(ctx, server)
	switch {
	case err != nil:
		return nil, err
	case now[0].Timeline == 0:
		return ptr.To(awaitsPromotion(stays)), nil
	case now[0] == status.Servers[k]:
		return nil, nil
	}
	if status.Step == StopReverse {
		if open, err := rollbackOpen(ctx, run); err != nil || open {
			v := waiting(v1alpha1.ReasonPrimaryReplaced, "the primary of %s was replaced before the rollback path ended; the soak continues until rows were compared", stays)
			v.ReturnTo = Soak
			return &v, err
		}
	}
	f := status.Failover
	if f == nil || f.Instance != stays {
		f = ptr.To(failover.After(f, stays, timestamp(run.Now())))
		f.Message = failover.ReplacedBy(status.Servers[k], now[0])
		failover.Ask(f, status.Databases, run.Upgrade.Spec.Retry)
		status.Failover = f
	}
	if run.Upgrade.Spec.Retry != f.Retry {
		status.Servers[k], status.Failover, status.HandledRetry = now[0], nil, run.Upgrade.Spec.Retry
		return nil, nil
	}
	return ptr.To(waiting(v1alpha1.ReasonCommitsLost, "%s. %s, which is being removed, may have commits that clients saw confirmed and %s lacks. Nothing more is removed: bring the rows that you need from %s to %s; "+
		"then change spec.retry, and the removal goes on", f.Message, leaves, stays, leaves, stays)), nil
}

// revertedInTime: the revert came between the end of the soak and StopReverse's effect. It
// still counts if nothing of the rollback path was removed. If blue serves again, the switch
// was claimed before this step was stored.
func revertedInTime(ctx context.Context, run *Run, proxy *v1alpha1.PgProxy) (Verdict, error) {
	if proxy.Status.Active != run.Status.From {
		open, err := rollbackOpen(ctx, run)
		if err != nil || !open {
			return conflictingSpec(run, proxy), err
		}
	}
	v := waiting(v1alpha1.ReasonSwitching, "the cutover was reverted before the rollback path ended; the soak continues until %s serves", proxy.Spec.Target)
	v.ReturnTo = Soak
	return v, nil
}

// rollbackOpen: blue still follows green in every database. StopReverse removes slots first,
// so if all are left, it has had no effect.
func rollbackOpen(ctx context.Context, run *Run) (bool, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return false, err
	}
	for _, db := range run.Status.Databases {
		slot, err := replication.SlotState(ctx, green, run.Names().Slot(db, run.Status.From))
		if err != nil || !slot.Exists || slot.Lost {
			return false, err
		}
		follower, err := replication.SubscriptionState(ctx, blue, db, run.Names().Subscription(db, run.Status.From))
		if err != nil || !follower.Exists {
			return false, err
		}
	}
	return true, nil
}

// conflictingSpec: Git wants traffic on an instance that Git also wants to be removed.
func conflictingSpec(run *Run, proxy *v1alpha1.PgProxy) Verdict {
	leaves, stays := removedAndKept(*run.Status)
	why := fmt.Sprintf("the upgrade to %s was reverted in Git", leaves)
	if run.Status.Workflow == Upgrade {
		why = fmt.Sprintf("the soak is over and the rollback path to %s has ended", leaves)
	}
	return waiting(v1alpha1.ReasonConflictingSpec, "%s, but spec.target of PgProxy %s is %s; nothing more is removed before a commit sets it to %s",
		why, proxy.Name, proxy.Spec.Target, stays)
}
