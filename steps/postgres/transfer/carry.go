package transfer

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Carry says what a switch copies while traffic is held, since replication doesn't carry it.
type Carry struct{ LargeObjects, UnloggedTables bool }

// Any says whether there is anything to copy.
func (c Carry) Any() bool { return c.LargeObjects || c.UnloggedTables }

// noVacuum makes an autovacuum give way soon while traffic is held: a session that waits for its lock cancels it after this time.
const noVacuum = "SET LOCAL deadlock_timeout = '10ms'"

// Carried is what CarryAhead copied of one database, and how long the rest will take while traffic is held if
// nothing changes any more.
type Carried struct {
	what         Carry
	largeObjects *LargeObjects
	// Takes is measured, not estimated.
	Takes time.Duration
}

// CarryAhead copies what replication doesn't carry of database from the serving side to the fenced side that is to
// serve. Traffic isn't held. A second call continues where the first ended. ctx bounds it, not a statement timeout.
func CarryAhead(ctx context.Context, from, to postgres.Server, database string, what Carry) (c *Carried, err error) {
	err = postgres.WithSession(ctx, from, database, func(source *pgx.Conn) error {
		return postgres.WithSession(ctx, to, database, func(target *pgx.Conn) error {
			for _, conn := range []*pgx.Conn{source, target} {
				if err := postgres.WithoutTimeout(ctx, conn); err != nil {
					return err
				}
			}
			c, err = carryAhead(ctx, source, target, what)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("copy what isn't replicated of database %q from %s to %s: %w", database, from.Instance, to.Instance, err)
	}
	return c, nil
}

func carryAhead(ctx context.Context, from, to *pgx.Conn, what Carry) (_ *Carried, err error) {
	c := &Carried{what: what}
	if what.LargeObjects {
		if c.largeObjects, err = SyncLargeObjects(ctx, from, to); err != nil {
			return nil, err
		}
	}
	begun := time.Now()
	if err := c.Finish(ctx, from, to); err != nil {
		return nil, err
	}
	c.Takes = time.Since(begun)
	return c, nil
}

// Finish copies what changed since, in sessions of a switch to both sides, once no client writes any more.
func (c *Carried) Finish(ctx context.Context, from, to *pgx.Conn) error {
	if c.what.LargeObjects {
		if err := c.largeObjects.FinishLargeObjects(ctx, from, to); err != nil {
			return err
		}
	}
	if c.what.UnloggedTables {
		return CopyUnlogged(ctx, from, to)
	}
	return nil
}
