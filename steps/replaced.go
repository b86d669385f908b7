package steps

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/switchover"
)

// KnownServers are the servers that are known to hold the same rows on both sides: those that were compared without a
// difference, and those of the last switch between the two. Empty if nothing is known.
func KnownServers(status v1alpha1.PgUpgradeStatus, p *v1alpha1.PgProxy) map[string][]postgres.Identity {
	known := map[string][]postgres.Identity{}
	add := func(servers []v1alpha1.ServerIdentity) {
		for _, s := range servers {
			known[s.Instance] = append(known[s.Instance], postgres.Identity{System: s.SystemIdentifier, Timeline: s.Timeline})
		}
	}
	if v := status.Verification; v != nil && len(v.Mismatches) == 0 {
		add(v.Servers)
	}
	if p != nil {
		for _, s := range p.Status.Switches {
			if s.Outcome != "Switched" {
				continue
			}
			if s.FinishedAt.Time.Before(began(status)) {
				break // it belongs to an earlier run, whose instances had the same names
			}
			if pair := []string{status.From, status.To}; slices.Contains(pair, s.From) && slices.Contains(pair, s.To) {
				add(s.Servers)
			}
			break
		}
	}
	return known
}

// began is when the run's first step began; zero while unknown.
func began(status v1alpha1.PgUpgradeStatus) (first time.Time) {
	for _, s := range status.Steps {
		if s.StartedAt != nil && (first.IsZero() || s.StartedAt.Time.Before(first)) {
			first = s.StartedAt.Time
		}
	}
	return first
}

// Identities of servers, for the status.
func Identities(ctx context.Context, servers ...postgres.Server) ([]v1alpha1.ServerIdentity, error) {
	var found []v1alpha1.ServerIdentity
	for _, s := range servers {
		id, err := postgres.IdentityOf(ctx, s)
		if err != nil {
			return nil, err
		}
		found = append(found, v1alpha1.ServerIdentity{Instance: s.Instance, SystemIdentifier: id.System, Timeline: id.Timeline})
	}
	return found, nil
}

// Replaced says which of the servers replaced a known one, and so may lack rows that it had; empty if none did, if
// nothing is known, or if it is acknowledged in the spec.
func Replaced(ctx context.Context, known map[string][]postgres.Identity, acknowledged []string, servers ...postgres.Server) (string, error) {
	found, err := switchover.ReplacedServers(ctx, known, acknowledged, servers...)
	if len(found) == 0 {
		return "", err
	}
	return fmt.Sprintf("the primary of %s was replaced: %s", found[0].Instance, found[0].Why), nil
}

// replaced is Replaced for the run's two servers.
func (r *Run) replaced(ctx context.Context, servers ...postgres.Server) (string, error) {
	return Replaced(ctx, KnownServers(*r.Status, r.Proxy), r.Upgrade.Spec.Acknowledge, servers...)
}

// compared says whether the last comparison was of these servers, whatever its result.
func (r *Run) compared(ctx context.Context, servers ...postgres.Server) (bool, error) {
	now, err := Identities(ctx, servers...)
	if err != nil || r.Status.Verification == nil {
		return false, err
	}
	for _, id := range now {
		if !slices.Contains(r.Status.Verification.Servers, id) {
			return false, nil
		}
	}
	return true, nil
}

// followerReplaced is the verdict of a soak, or of the wait after a rollback, when a primary was replaced: rows are
// compared, since a rollback could now lose some. Nil if none was replaced, or if that isn't known: then the PgProxy
// reports it.
func followerReplaced(ctx context.Context, run *Run, serves, follows string) *Verdict {
	publisher, subscriber, err := run.pair(ctx, serves, follows)
	if err != nil {
		return nil
	}
	why, err := run.replaced(ctx, publisher, subscriber)
	if why == "" || err != nil {
		return nil
	}
	done, err := run.compared(ctx, publisher, subscriber)
	if err != nil {
		return nil
	}
	v := run.Status.Verification
	if !done || run.Now().Sub(v.At.Time).Abs() > verifyAgain {
		compare := slowly("%s; comparing rows, since %s may lack some", why, follows)
		compare.Effect = compareSides
		return &compare
	}
	differ := waiting(v1alpha1.ReasonVerificationFailed, "%s, and %d differences were found: %s. Don't return to %s before they are fixed; compared again every %s",
		why, len(v.Mismatches), some(v.Mismatches), follows, verifyAgain)
	return &differ
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
