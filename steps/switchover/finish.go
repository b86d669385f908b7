package switchover

import (
	"context"
	"time"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// finishTimeout bounds an attempt to finish a switch, which is repeated until done.
const finishTimeout = 5 * time.Minute

// Finish completes a switch that went forward: it removes the forward subscription and its slot, lets replication connect to the
// old side, moves the reverse slot to exactly position, and enables the old side's subscription, which was made before the hold,
// from that position. A second call continues where the first ended; a call after a later switch away from the new side is
// refused, since by then these objects serve the other direction.
func Finish(ctx context.Context, in Input, position string) error {
	ctx, end := postgres.ShareSessions(ctx)
	defer end()
	if err := stillServes(ctx, in); err != nil {
		return err
	}
	if err := replication.LandSubscriptions(ctx, in.To, in.Databases, in.ID); err != nil {
		return err
	}
	// before the old side allows connections: a promoted, older standby must not read the slot again
	err := eachDatabase(ctx, in.Databases, func(ctx context.Context, db string) error {
		if err := replication.DropSubscription(ctx, in.To, db, in.Names.Subscription(db, in.To.Instance)); err != nil {
			return err
		}
		return replication.DropSlot(ctx, in.From, in.Names.Slot(db, in.To.Instance))
	})
	if err != nil {
		return err
	}
	if err := allowReplication(ctx, in); err != nil {
		return err
	}
	if err := replication.LeaveSubscriptions(ctx, in.From, in.Databases, in.ID); err != nil {
		return err
	}
	return eachDatabase(ctx, in.Databases, func(ctx context.Context, db string) error {
		back := in.Names.Slot(db, in.From.Instance)
		for _, step := range []func() error{
			func() error { return advance(ctx, in, db, back, position) },
			func() error {
				return replication.CreateSubscription(ctx, in.From, replication.SubscribeOptions{
					Publisher: in.To, Database: db, Names: in.Names, From: position,
				})
			},
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Abandon ends a switch that went forward, without a rollback path: it makes nothing on the old side, which may be lost, and
// the new side keeps no WAL for it. Call it only when Git gives up the rollback. Traffic must be on the new side already: an
// error says why that isn't sure. A second call finds the first one's work.
func Abandon(ctx context.Context, in Input) error {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	ctx, end := postgres.ShareSessions(ctx)
	defer end()
	if err := stillServes(ctx, in); err != nil {
		return err
	}
	if err := replication.LandSubscriptions(ctx, in.To, in.Databases, in.ID); err != nil {
		return err
	}
	return eachDatabase(ctx, in.Databases, func(ctx context.Context, db string) error {
		if err := replication.DropSubscription(ctx, in.To, db, in.Names.Subscription(db, in.To.Instance)); err != nil {
			return err
		}
		return replication.DropSlot(ctx, in.To, in.Names.Slot(db, in.From.Instance))
	})
}

// stillServes is nil if this switch opened the new side and no later one led away from it.
func stillServes(ctx context.Context, in Input) error {
	to, err := fence.OpenRegister(ctx, in.To)
	if err != nil {
		return err
	}
	incoming, err := to.IncomingSwitch(ctx, in.ID)
	to.Close(ctx)
	if err != nil {
		return err
	}
	if incoming.State != "opened" || incoming.Left {
		return errLeftAgain
	}
	return nil
}

// allowReplication lets replication connect to the old side again, which has refused all
// connections since the fence.
func allowReplication(ctx context.Context, in Input) error {
	var writable []string
	for _, db := range in.Databases {
		// In a read-only transaction their writes would fail, and stop the apply worker.
		fires, err := replication.FiresOnApply(ctx, in.To, db)
		if err != nil {
			return err
		}
		if fires {
			writable = append(writable, db)
		}
	}
	from, err := fence.OpenRegister(ctx, in.From)
	if err != nil {
		return err
	}
	defer from.Close(ctx)
	return from.AllowReplication(ctx, in.ID, writable)
}

// advance skips a slot that its subscription already reads; prepare made it disabled.
func advance(ctx context.Context, in Input, db, slot, position string) error {
	subscription, err := replication.SubscriptionState(ctx, in.From, db, in.Names.Subscription(db, in.From.Instance))
	if err != nil || subscription.Enabled {
		return err
	}
	return replication.AdvanceSlot(ctx, in.To, db, slot, position)
}
