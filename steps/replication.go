package steps

import (
	"context"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// brokenReplication says what is wrong with the replication from publisher to subscriber: a
// slot that lost WAL, or a worker that keeps failing. Nil if nothing is.
func brokenReplication(ctx context.Context, run *Run, publisher, subscriber postgres.Server) (*Verdict, error) {
	return inEachDatabase(run, func(db string) (*Verdict, error) { return brokenIn(ctx, run, publisher, subscriber, db) })
}

// inEachDatabase runs several checks in one database after the other, so that they need only one session in each
// database. The result of an earlier check, in any database, takes precedence over a later check's.
func inEachDatabase(run *Run, looks ...func(db string) (*Verdict, error)) (*Verdict, error) {
	var found *Verdict
	for _, db := range run.Status.Databases {
		for i, look := range looks {
			v, err := look(db)
			if err != nil {
				return nil, err
			}
			if v != nil {
				found, looks = v, looks[:i]
				break
			}
		}
	}
	return found, nil
}

func brokenIn(ctx context.Context, run *Run, publisher, subscriber postgres.Server, db string) (*Verdict, error) {
	slot, err := replication.SlotState(ctx, publisher, run.Names().Slot(db, subscriber.Instance))
	if err != nil {
		return nil, err
	}
	if !slot.Exists || slot.Lost {
		v := waiting(v1alpha1.ReasonSlotLost,
			"%s no longer has the WAL that %s needs for database %q (slot lost): nothing was switched and nothing is lost, but green must be copied again; raise max_slot_wal_keep_size, revert the version and ask for it again",
			publisher.Instance, subscriber.Instance, db)
		return &v, nil
	}
	run.showRetained(slot.RetainedBytes)
	if v := retained(run, publisher.Instance, subscriber.Instance, db, slot, "revert the version"); v != nil {
		return v, nil
	}
	state, err := replication.SubscriptionState(ctx, subscriber, db, run.Names().Subscription(db, subscriber.Instance))
	if err != nil {
		return nil, err
	}
	if !state.Exists || !state.Enabled {
		v := waiting(v1alpha1.ReasonReplicationBroken,
			"the subscription in database %q on %s is missing or disabled; PostgreSQL's log on %s says why", db, subscriber.Instance, subscriber.Instance)
		return &v, nil
	}
	return nil, nil
}

// retained says that a slot keeps more WAL than it may; wayOut is the action that frees it for good.
func retained(run *Run, publisher, subscriber, db string, slot replication.Slot, wayOut string) *Verdict {
	limit := run.retainedLimit()
	if limit == 0 || slot.RetainedBytes <= limit {
		return nil
	}
	v := waiting(v1alpha1.ReasonRetainedWAL,
		"%s keeps %s of WAL for %s (database %q), more than spec.limits.retainedWAL (%s); find what holds %s up, raise the limit, or %s, which frees the WAL",
		publisher, postgres.HumanBytes(slot.RetainedBytes), subscriber, db, postgres.HumanBytes(limit), subscriber, wayOut)
	return &v
}

// retainedFor does the same for every database, on the server that serves after a switch.
func retainedFor(ctx context.Context, run *Run, publisher, subscriber, wayOut string) (*Verdict, error) {
	if run.retainedLimit() == 0 {
		return nil, nil
	}
	server, err := run.Server(ctx, publisher)
	if err != nil {
		return nil, err
	}
	for _, db := range run.Status.Databases {
		slot, err := replication.SlotState(ctx, server, run.Names().Slot(db, subscriber))
		if err != nil {
			return nil, err
		}
		if v := retained(run, publisher, subscriber, db, slot, wayOut); v != nil {
			return v, nil
		}
	}
	return nil, nil
}

// backlog of the run, the largest over its databases. Slots are the server's: one query tells of all.
func backlog(ctx context.Context, run *Run, publisher postgres.Server, subscriber string) (replication.Backlog, error) {
	slots := make([]string, 0, len(run.Status.Databases))
	for _, db := range run.Status.Databases {
		slots = append(slots, run.Names().Slot(db, subscriber))
	}
	return replication.BacklogOf(ctx, publisher, slots)
}

// showLag fills status.lag and keeps since when it has been under the limit.
func showLag(run *Run, b replication.Backlog, limit int64) {
	now := timestamp(run.Now())
	next := &v1alpha1.LagStatus{Bytes: b.Bytes, DelayMilliseconds: b.DelayMilliseconds, At: now, Display: postgres.HumanBytes(b.Bytes)}
	if b.Bytes <= limit {
		next.UnderLimitSince = &now
		// a clock that was set back must not put this time into the future
		if old := run.Status.Lag; old != nil && old.UnderLimitSince != nil && !old.UnderLimitSince.After(now.Time) {
			next.UnderLimitSince = old.UnderLimitSince
		}
	}
	run.Status.Lag = next
	run.showRetained(b.RetainedBytes)
}

// showRetained keeps status.retainedBytes at the most that a slot was seen to keep in this look.
func (r *Run) showRetained(bytes int64) {
	r.retained = max(r.retained, bytes)
	r.Status.RetainedBytes = r.retained
}

func (r *Run) lagLimit() int64 {
	if l := r.Upgrade.Spec.Limits.Lag; l != nil {
		return l.Value()
	}
	return 1 << 20
}

func (r *Run) retainedLimit() int64 { return RetainedLimit(r.Upgrade) }

// RetainedLimit is how many bytes of WAL an upgrade's slots may keep; 0 is no limit.
func RetainedLimit(u *v1alpha1.PgUpgrade) int64 {
	if l := u.Spec.Limits.RetainedWAL; l != nil {
		return max(0, l.Value())
	}
	return 50 << 30
}

// stoppedWorker reports an apply worker that fails or doesn't run. It comes after the checks that name
// a cause: a lost slot, a missing table.
func stoppedWorker(ctx context.Context, run *Run, publisher, subscriber postgres.Server) (*Verdict, error) {
	return inEachDatabase(run, func(db string) (*Verdict, error) { return stoppedIn(ctx, run, publisher, subscriber, db) })
}

func stoppedIn(ctx context.Context, run *Run, publisher, subscriber postgres.Server, db string) (*Verdict, error) {
	if run.Workers == nil || run.switching() {
		return nil, nil
	}
	trouble, err := run.Workers.Trouble(ctx, publisher, subscriber, db, run.Names(), run.Now())
	if err != nil || trouble == "" {
		return nil, err
	}
	v := waiting(v1alpha1.ReasonReplicationBroken, "%s", trouble)
	return &v, nil
}

// rollbackStopped does the same for the rollback path. If the side that follows can't be queried, PgProxy reports that,
// and the soak continues.
func rollbackStopped(ctx context.Context, run *Run, publisher, subscriber string) *Verdict {
	active, follower, err := run.pair(ctx, publisher, subscriber)
	if err != nil {
		return nil
	}
	v, err := stoppedWorker(ctx, run, active, follower)
	if err != nil {
		return nil
	}
	return v
}

// connected makes a step check first whether green's connection to blue is still as the Secret and the
// spec say. A replication connection survives a change of the password, but fails at the next reconnect:
// so the subscription is rewritten at once.
func connected(s Step) Step {
	look, effect := s.Done, s.Run
	s.Done = func(ctx context.Context, run *Run) (Verdict, error) {
		if v, err := staleConnection(ctx, run); v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
		return look(ctx, run)
	}
	s.Run = func(ctx context.Context, run *Run) error {
		if renewed, err := renewConnections(ctx, run); renewed || err != nil {
			return err
		}
		return effect(ctx, run)
	}
	return s
}

func staleConnection(ctx context.Context, run *Run) (*Verdict, error) {
	if run.switching() {
		return nil, nil
	}
	blue, green, err := run.both(ctx)
	if err != nil {
		return nil, err
	}
	for _, db := range run.Status.Databases {
		stale, err := replication.ConnectionStale(ctx, blue, green, db, run.Names())
		if err != nil {
			return nil, err
		}
		if stale {
			v := act("database %q: %s still connects to %s with another address, password or trust than its Secret and the spec say now; the subscription's connection is rewritten",
				db, green.Instance, blue.Instance)
			return &v, nil
		}
	}
	return nil, nil
}

// renewConnections says whether one was renewed.
func renewConnections(ctx context.Context, run *Run) (renewed bool, err error) {
	if run.switching() {
		return false, nil
	}
	blue, green, err := run.both(ctx)
	if err != nil {
		return false, err
	}
	for _, db := range run.Status.Databases {
		one, err := replication.RenewConnection(ctx, blue, green, db, run.Names())
		if err != nil {
			return renewed, err
		}
		renewed = renewed || one
	}
	return renewed, nil
}
