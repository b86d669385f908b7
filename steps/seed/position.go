package seed

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// ErrSlotAhead: a slot was made after the copy, so that changes between the two are on no side.
var ErrSlotAhead = errors.New("the replication slot is newer than the physical copy")

// Position on blue up to which green was seeded in this run; empty if it wasn't. Reads only.
func Position(ctx context.Context, green postgres.Server, run string) (position string, err error) {
	err = postgres.WithSession(ctx, green, postgres.MaintenanceDatabase, func(conn *pgx.Conn) error {
		var there bool
		if err := conn.QueryRow(ctx, "SELECT to_regclass('gitover.seed') IS NOT NULL").Scan(&there); err != nil || !there {
			return err
		}
		err := conn.QueryRow(ctx, query("position"), run).Scan(&position)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if postgres.DatabaseMissing(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("position of the seed of %s: %w", green.Instance, err)
	}
	return position, nil
}

// Subscribe has a database of green follow blue from the position of its seed; success if it does already. A slot that is
// newer than the copy, because the first one was lost, is refused with ErrSlotAhead: green must be seeded again.
func Subscribe(ctx context.Context, blue, green postgres.Server, database, position string, n postgres.Names) error {
	name := n.Subscription(database, green.Instance)
	state, err := replication.SubscriptionState(ctx, green, database, name)
	if err != nil {
		return err
	}
	if !state.Exists {
		ahead, err := postgres.Scalar[bool](ctx, blue, "", query("slot_ahead"), name, position)
		if err == nil && ahead {
			err = ErrSlotAhead
		}
		if err != nil {
			return fmt.Errorf("slot %q of %s at %s: %w", name, blue.Instance, position, err)
		}
		if err := emptyLate(ctx, blue, green, database, n); err != nil {
			return fmt.Errorf("tables of database %q that came to %s during the copy: %w", database, blue.Instance, err)
		}
	}
	return replication.CreateSubscription(ctx, green, replication.SubscribeOptions{
		Publisher: blue, Database: database, Names: n, From: position,
	})
}

// emptyLate empties, on a green that doesn't follow yet, the tables that were created on blue between the slot and the copy: green has
// their rows up to the copy, and of what was written since, the slot has nothing, since the publication didn't have the tables. Empty
// and not replicated, they are copied like any new table, with what is written meanwhile.
func emptyLate(ctx context.Context, blue, green postgres.Server, database string, n postgres.Names) error {
	tables, err := replication.ApplicationTables(ctx, blue, database, n)
	var late []string
	for _, t := range tables {
		if !t.Published && t.Identified() {
			late = append(late, t.Table)
		}
	}
	if err != nil || len(late) == 0 {
		return err
	}
	return postgres.WithSession(ctx, green, database, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			// neither triggers nor foreign keys: what refers to a row has it again once it is copied
			if _, err := tx.Exec(ctx, "SET LOCAL session_replication_role = replica"); err != nil {
				return err
			}
			for _, table := range late {
				var there bool
				if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&there); err != nil {
					return err
				}
				if !there {
					continue // it came after the copy
				}
				if _, err := tx.Exec(ctx, "DELETE FROM ONLY "+table); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// Progress of a base backup in bytes; the total is an estimate, 0 while it is unknown.
type Progress struct{ Total, Copied int64 }

// BackupProgress of the backup whose connection has that application name; zero if there is none. Reads only.
func BackupProgress(ctx context.Context, blue postgres.Server, application string) (p Progress, err error) {
	err = postgres.WithSession(ctx, blue, "", func(conn *pgx.Conn) error {
		err := conn.QueryRow(ctx, query("backup_progress"), application).Scan(&p.Total, &p.Copied)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return Progress{}, fmt.Errorf("progress of the backup of %s: %w", blue.Instance, err)
	}
	return p, nil
}
