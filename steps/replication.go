package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
)

// brokenReplication says what is wrong with the way from publisher to subscriber: a slot
// that lost WAL, or a worker that keeps failing. Nil when nothing is.
func brokenReplication(ctx context.Context, run *Run, publisher, subscriber postgres.Server) (*Verdict, error) {
	for _, db := range run.Status.Databases {
		slot, err := postgres.SlotState(ctx, publisher, run.Names().Slot(db, subscriber.Instance))
		if err != nil {
			return nil, err
		}
		if !slot.Exists || slot.Lost {
			v := waiting(v1alpha1.ReasonSlotLost,
				"%s no longer has the WAL that %s needs for database %q (slot lost): nothing was switched and nothing is lost, but green must be copied anew; raise max_slot_wal_keep_size, take the version back and ask for it again",
				publisher.Instance, subscriber.Instance, db)
			return &v, nil
		}
		if v := retained(run, publisher.Instance, subscriber.Instance, db, slot, "take the version back"); v != nil {
			return v, nil
		}
		state, err := postgres.SubscriptionState(ctx, subscriber, db, run.Names().Subscription(db, subscriber.Instance))
		if err != nil {
			return nil, err
		}
		if !state.Exists || !state.Enabled {
			v := waiting(v1alpha1.ReasonReplicationBroken,
				"the subscription in database %q on %s is missing or disabled; PostgreSQL's log on %s says why", db, subscriber.Instance, subscriber.Instance)
			return &v, nil
		}
	}
	return nil, nil
}

// retained says that a slot keeps more WAL than it may; way out is what frees it for good.
func retained(run *Run, publisher, subscriber, db string, slot postgres.Slot, wayOut string) *Verdict {
	limit := run.retainedLimit()
	if limit == 0 || slot.RetainedBytes <= limit {
		return nil
	}
	v := waiting(v1alpha1.ReasonRetainedWAL,
		"%s keeps %s of WAL for %s (database %q), more than spec.limits.retainedWAL (%s); find what holds %s up, raise the limit, or %s, which frees the WAL",
		publisher, humanBytes(slot.RetainedBytes), subscriber, db, humanBytes(limit), subscriber, wayOut)
	return &v
}

// retainedFor is the same for every database, of the server that serves after a switch.
func retainedFor(ctx context.Context, run *Run, publisher, subscriber, wayOut string) (*Verdict, error) {
	if run.retainedLimit() == 0 {
		return nil, nil
	}
	server, err := run.Server(ctx, publisher)
	if err != nil {
		return nil, err
	}
	for _, db := range run.Status.Databases {
		slot, err := postgres.SlotState(ctx, server, run.Names().Slot(db, subscriber))
		if err != nil {
			return nil, err
		}
		if v := retained(run, publisher, subscriber, db, slot, wayOut); v != nil {
			return v, nil
		}
	}
	return nil, nil
}

// lag of the run, the largest over its databases.
func lag(ctx context.Context, run *Run, publisher postgres.Server, subscriber string) (int64, error) {
	var most int64
	for _, db := range run.Status.Databases {
		bytes, err := postgres.Lag(ctx, publisher, db, run.Names().Slot(db, subscriber))
		if err != nil {
			return 0, err
		}
		most = max(most, bytes)
	}
	return most, nil
}

// showLag fills status.lag and keeps since when it has been under the limit.
func showLag(run *Run, bytes, limit int64) {
	now := timestamp(run.Now())
	next := &v1alpha1.LagStatus{Bytes: bytes, At: now, Human: humanBytes(bytes)}
	if bytes <= limit {
		next.UnderLimitSince = &now
		// a clock that was set back must not make the past the future
		if old := run.Status.Lag; old != nil && old.UnderLimitSince != nil && !old.UnderLimitSince.After(now.Time) {
			next.UnderLimitSince = old.UnderLimitSince
		}
	}
	run.Status.Lag = next
}

func (r *Run) lagLimit() int64 {
	if l := r.Upgrade.Spec.Limits.Lag; l != nil {
		return l.Value()
	}
	return 1 << 20
}

// retainedLimit in bytes; 0 is none.
func (r *Run) retainedLimit() int64 {
	if l := r.Upgrade.Spec.Limits.RetainedWAL; l != nil {
		return max(0, l.Value())
	}
	return 50 << 30
}

// catchUpDone: the lag has been under the limit for the stated time, nothing is broken, green
// follows every table, and nothing came that would be left behind.
func catchUpDone(ctx context.Context, run *Run) (Verdict, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return Verdict{}, err
	}
	if v, err := brokenReplication(ctx, run, blue, green); v != nil || err != nil {
		return deref(v), err
	}
	if v, err := unfollowed(ctx, run, blue, green); v != nil || err != nil {
		return deref(v), err
	}
	if v, err := stoppedWorker(ctx, run, blue, green); v != nil || err != nil {
		return deref(v), err
	}
	bytes, err := lag(ctx, run, blue, run.Status.To)
	if err != nil {
		return Verdict{}, err
	}
	showLag(run, bytes, run.lagLimit())
	if since := run.Status.Lag.UnderLimitSince; since != nil && run.Now().Sub(since.Time) >= run.lagFor() {
		if v, err := leftBehind(ctx, run, blue); v != nil || err != nil {
			return deref(v), err
		}
		verdict := done("lag %s", humanBytes(bytes))
		if !GivesIdentities(run.Upgrade) {
			return verdict, nil
		}
		return alsoSaid(verdict)(showIdentities(ctx, run, blue))
	}
	return waiting(CatchUp, "lag %s, limit %s for %s", humanBytes(bytes), humanBytes(run.lagLimit()), run.lagFor()), nil
}

// ScopeOf an upgrade is what its spec says of databases.
func ScopeOf(u *v1alpha1.PgUpgrade) postgres.Scope {
	return postgres.Scope{
		Include: u.Spec.Databases.Include, Exclude: u.Spec.Databases.Exclude, Acknowledged: u.Spec.Acknowledge,
		GiveIdentities: GivesIdentities(u), MoveSubscriptions: movesSubscriptions(u), Carry: carryOf(u),
	}
}

// carryOf an upgrade is what each of its switches copies that isn't replicated.
func carryOf(u *v1alpha1.PgUpgrade) postgres.Carry {
	return postgres.Carry{
		LargeObjects:   slices.Contains(u.Spec.CopyInSwitch, "LargeObjects"),
		UnloggedTables: slices.Contains(u.Spec.CopyInSwitch, "UnloggedTables"),
	}
}

// movesSubscriptions says whether each switch moves the enabled subscriptions of others.
func movesSubscriptions(u *v1alpha1.PgUpgrade) bool { return u.Spec.OtherSubscriptions == "Move" }

// RequestOf an upgrade to a major version is what a preflight of databases is asked.
func RequestOf(u *v1alpha1.PgUpgrade, target int, databases []string) postgres.PreflightRequest {
	return postgres.PreflightRequest{
		Target: target, Databases: databases, Acknowledged: u.Spec.Acknowledge, Names: postgres.Names{UID: string(u.UID)}, WayBack: true,
		GiveIdentities: GivesIdentities(u), MoveSubscriptions: movesSubscriptions(u), Carry: carryOf(u),
		Tablespaces: u.Spec.Tablespaces,
	}
}

// leftBehind names what came after the preflight and the guard would not let a switch leave
// behind: better before the cutover commit than after it.
func leftBehind(ctx context.Context, run *Run, blue postgres.Server) (*Verdict, error) {
	left, err := postgres.LeftBehind(ctx, blue, run.Status.Databases, ScopeOf(run.Upgrade))
	if err != nil || len(left) == 0 {
		return nil, err
	}
	v := waiting(run.Status.Step, "%s", some(left))
	return &v, nil
}

// stopReplicationDone: nothing of this upgrade is left on a server that still answers.
func stopReplicationDone(ctx context.Context, run *Run) (Verdict, error) {
	for _, instance := range []string{run.Status.From, run.Status.To} {
		s, err := run.Server(ctx, instance)
		if err != nil {
			return Verdict{}, err
		}
		left, err := postgres.Leftovers(ctx, s, run.Names())
		if postgres.Unreachable(err) && instance != run.active() {
			// the side that goes away anyway need not answer; its slots die with it
			continue
		}
		if err != nil {
			return Verdict{}, err
		}
		if len(left) > 0 {
			v := act("to remove on %s: %s", instance, some(left))
			stay, err := IdentitiesThatStay(ctx, s, run.Status.Databases, run.Names())
			if err == nil && stay != "" { // an event, before nobody can tell any more
				v.Reason, v.Message = v1alpha1.ReasonReplicaIdentity, stay+"; "+v.Message
			}
			return v, err
		}
	}
	run.Status.ReplicaIdentities = nil
	return done("no slot, publication or subscription of ours is left"), nil
}

// stopReplicationRun removes subscriptions before the slots they hold. Where one side is
// gone the other is cleaned all the same: WAL must not pile up for nobody. What stays is the
// error, each with its reason.
func stopReplicationRun(ctx context.Context, run *Run) error {
	var trouble []error
	// subscribers first; two rounds free the slots that the first round's subscriptions held
	for range 2 {
		trouble = nil
		for _, instance := range []string{run.Status.To, run.Status.From} {
			s, err := run.Server(ctx, instance)
			if err != nil {
				return err
			}
			left, err := postgres.RemoveAll(ctx, s, run.Names())
			if err != nil && !postgres.Unreachable(err) {
				return err
			}
			if err != nil {
				trouble = append(trouble, fmt.Errorf("clean up %s: %w", instance, err))
			}
			if len(left) > 0 {
				trouble = append(trouble, fmt.Errorf("not removed on %s: %s", instance, some(left)))
			}
		}
	}
	return errors.Join(trouble...)
}

func (r *Run) active() string {
	if r.Proxy == nil {
		return ""
	}
	return r.Proxy.Status.Active
}
