package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Slot is what the publisher shows of a logical replication slot.
type Slot struct {
	Exists, Active bool
	// Database the slot decodes.
	Database string
	// WALStatus as pg_replication_slots has it: reserved, extended, unreserved, lost.
	WALStatus string
	// ConfirmedFlush and RestartLSN are positions; empty when unknown.
	ConfirmedFlush, RestartLSN string
	// RetainedBytes of WAL are kept for the slot.
	RetainedBytes int64
	// SafeWALBytes may still be written before the slot is at risk; -1 when unlimited.
	SafeWALBytes int64
	// Lost slots can't be used again: the subscriber must be copied again.
	Lost bool
	// Made: the session that makes it has finished.
	Made bool
}

// SlotState reads a slot; a missing slot is no error.
func SlotState(ctx context.Context, publisher postgres.Server, slot string) (state Slot, err error) {
	err = postgres.WithSession(ctx, publisher, "", func(conn *pgx.Conn) error {
		state, err = slotState(ctx, conn, slot)
		return err
	})
	if err != nil {
		return Slot{}, fmt.Errorf("replication slot %q of %s: %w", slot, publisher.Instance, err)
	}
	return state, nil
}

func slotState(ctx context.Context, conn *pgx.Conn, slot string) (Slot, error) {
	found, err := postgres.Collect[Slot](ctx, conn, query("slot_state"), slot)
	if err != nil || len(found) == 0 {
		return Slot{}, err
	}
	return found[0], nil
}

// CreateSlot makes the slot that feeds database on the instance called subscriber; success
// when it is there and usable. It waits for transactions that run on the publisher, and for another session that makes
// it, for as long as ctx allows.
func CreateSlot(ctx context.Context, publisher postgres.Server, database string, n postgres.Names, subscriber string) error {
	slot := n.Slot(database, subscriber)
	err := postgres.WithSession(ctx, publisher, database, func(conn *pgx.Conn) error {
		if err := postgres.WithoutTimeout(ctx, conn); err != nil {
			return err
		}
		return postgres.WaitUntil(ctx, 200*time.Millisecond, func() (bool, error) {
			state, err := slotState(ctx, conn, slot)
			switch {
			case err != nil:
				return false, err
			case !state.Exists:
				return makeSlot(ctx, conn, slot)
			case state.Lost:
				return false, errors.New("is lost: the WAL it needs is gone")
			case state.Database != database:
				return false, fmt.Errorf("belongs to database %q", state.Database)
			}
			return state.Made, nil
		})
	})
	if err != nil {
		return fmt.Errorf("create replication slot %q for database %q on %s: %w", slot, database, publisher.Instance, err)
	}
	return nil
}

// makeSlot has standbys keep a copy of the slot where the version can and they are set up for it.
func makeSlot(ctx context.Context, conn *pgx.Conn, slot string) (bool, error) {
	version, err := postgres.VersionOf(ctx, conn)
	if err != nil {
		return false, err
	}
	options := ""
	if version >= postgres.WithFailoverSlots {
		options = ", failover => true"
	}
	_, err = conn.Exec(ctx, "SELECT pg_create_logical_replication_slot($1, 'pgoutput'"+options+")", slot)
	return err == nil, err
}

// DropSlot removes a slot of Gitover's; success when absent. It ends a walsender that still
// streams from it; if the subscriber keeps reconnecting, ctx bounds the attempts, so disable
// the subscription first.
func DropSlot(ctx context.Context, publisher postgres.Server, slot string) error {
	err := postgres.WithSession(ctx, publisher, "", func(conn *pgx.Conn) error {
		return postgres.WaitUntil(ctx, 100*time.Millisecond, func() (bool, error) {
			_, err := conn.Exec(ctx, query("drop_slot"), slot)
			switch {
			case err == nil, postgres.NotFound(err):
				return true, nil
			case postgres.InUse(err):
				return false, nil
			}
			return false, err
		})
	})
	if err != nil {
		return fmt.Errorf("drop replication slot %q of %s: %w", slot, publisher.Instance, err)
	}
	return nil
}

// Lag is how many bytes of WAL the slot's subscriber has not confirmed yet. Any database of the publisher can tell.
func Lag(ctx context.Context, publisher postgres.Server, database, slot string) (bytes int64, err error) {
	var lag *int64
	err = postgres.WithSession(ctx, publisher, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query("slot_lag"), slot).Scan(&lag)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		err = errors.New("there is no such slot")
	case err == nil && lag == nil:
		err = errors.New("the slot has no confirmed position")
	}
	if err != nil {
		return 0, fmt.Errorf("lag behind replication slot %q of %s: %w", slot, publisher.Instance, err)
	}
	return *lag, nil
}
