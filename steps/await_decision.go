package steps

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// awaitDecisionDone is never done: Next leaves this step when Git says how to continue.
func awaitDecisionDone(ctx context.Context, run *Run) (Verdict, error) {
	if v, err := recovers(ctx, run, run.Status.From, run.Status.To); v != nil || err != nil {
		return ptr.Deref(v, Verdict{}), err
	}
	if run.active() == run.Status.From && !run.switching() {
		blue, err := run.blue(ctx)
		if err == nil {
			_, err = backlog(ctx, run, blue, run.Status.To)
		}
		if err != nil {
			return slotsDropped(ctx, run, run.Status.From, run.Status.To, err)
		}
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

// slotsDropped is the verdict on an error of the rollback path's slots on the side that serves. Those that are gone though no primary was replaced
// were dropped by people: the side that follows has nothing that the other lacks, so it is copied again, as after a failover. Any other
// error is returned.
func slotsDropped(ctx context.Context, run *Run, serves, follows string, why error) (Verdict, error) {
	if !errors.Is(why, replication.ErrSlotMissing) {
		return Verdict{}, why
	}
	publisher, subscriber, err := run.pair(ctx, serves, follows)
	if err != nil {
		return Verdict{}, errors.Join(why, err)
	}
	dropped, others, err := replication.WithoutSlot(ctx, publisher, subscriber, run.Names(), run.Status.Databases)
	if dropped = append(dropped, others...); err != nil || len(dropped) == 0 {
		return Verdict{}, errors.Join(why, err)
	}
	if run.FreshProxy != nil { // a switch that began since the look did drops slots, too; it is in the status until another side serves
		proxy, err := run.FreshProxy(ctx)
		if err != nil {
			return Verdict{}, errors.Join(why, err)
		}
		if proxy == nil || proxy.Status.Switch != nil || proxy.Status.Active != serves {
			return waiting(v1alpha1.ReasonSwitching, "waiting for the switch in progress"), nil
		}
	}
	f := failover.After(nil, serves, timestamp(run.Now()))
	f.Message = fmt.Sprintf("replication slots on %s were dropped (databases: %s)", serves, some(dropped))
	run.Status.Failover, run.Status.Verification, run.Status.Comparing = &f, nil, nil
	v := waiting(v1alpha1.ReasonSlotLost, "%s; %s is copied again", f.Message, follows)
	v.RequeueAfter = moment
	return v, nil
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
