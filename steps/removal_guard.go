package steps

import (
	"cmp"
	"context"
	"fmt"

	"github.com/fluxcd/pkg/runtime/conditions"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres/replication"
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

// removalBlocked is nil if the instance that stays serves, Git wants nothing else, and no switch is
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
		return nil, nil
	case proxy.Spec.Target == stays:
		v = waiting(v1alpha1.ReasonSwitching, "%s is not removed before %s serves: %s", leaves, stays, cmp.Or(conditions.GetMessage(proxy, v1alpha1.ReadyCondition), "the switch is beginning"))
	case run.Status.Step == StopReverse:
		v, err = revertedInTime(ctx, run, proxy)
	default:
		v = conflictingSpec(run, proxy)
	}
	return &v, err
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
