package steps

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// publishDone: each database has its marker table on both sides, and on blue its
// publication and slot.
func publishDone(ctx context.Context, run *Run) (Verdict, error) {
	blue, err := run.blue(ctx)
	if err != nil {
		return Verdict{}, err
	}
	missing := 0
	for _, db := range run.Status.Databases {
		slot, err := replication.SlotState(ctx, blue, run.Names().Slot(db, run.Status.To))
		if err != nil {
			return Verdict{}, err
		}
		if !slot.Made {
			missing++
		}
	}
	if missing > 0 {
		// before the first slot is made: one that is missing later was lost with the primary that had it
		_, green, err := run.both(ctx)
		if err != nil {
			return Verdict{}, err
		}
		if run.Status.Servers, err = failover.Identities(ctx, blue, green); err != nil {
			return Verdict{}, err
		}
		return slowly("%d of %d databases to publish", missing, len(run.Status.Databases)), nil
	}
	return done("%d databases published", len(run.Status.Databases)), nil
}

// publishRun makes the slot last: if the slot is there, everything else is. Green's schema has the replica identities that
// tables of blue were given; from here on green also records the former ones.
func publishRun(ctx context.Context, run *Run) error {
	blue, green, err := run.both(ctx)
	if err != nil {
		return err
	}
	return eachDatabase(ctx, run, func(ctx context.Context, db string) error {
		for _, s := range []postgres.Server{blue, green} {
			if err := replication.EnsureMarker(ctx, s, db); err != nil {
				return err
			}
		}
		if err := replication.SameIdentities(ctx, blue, green, db, run.Names()); err != nil {
			return err
		}
		if err := replication.CreatePublication(ctx, blue, db, run.Names()); err != nil {
			return err
		}
		return replication.CreateSlot(ctx, blue, db, run.Names(), run.Status.To)
	})
}

// eachDatabase runs f for every database of the run, a few at a time.
func eachDatabase(ctx context.Context, run *Run, f func(context.Context, string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, db := range run.Status.Databases {
		group.Go(func() error { return f(ctx, db) })
	}
	return group.Wait()
}
