package tablecopy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// ErrNoCopy: the target has no record of a copy.
var ErrNoCopy = errors.New("there is no copy to cancel")

// Cancel removes what a copy that hasn't ended has left: rows from the target's tables, its record, and the replication slot if the copy has made it. A
// second run finishes what the first one began. It refuses while a copy runs.
func Cancel(ctx context.Context, o Options) error {
	there, err := postgres.Scalar[bool](ctx, o.To, o.ToDatabase, "SELECT to_regclass('gitover.copy_run') IS NOT NULL")
	switch {
	case err != nil:
		return fmt.Errorf("record of the copy on %s: %w", o.To.Instance, err)
	case !there:
		return ErrNoCopy
	}
	l, err := openLedger(ctx, o.To, o.ToDatabase)
	if err != nil {
		return err
	}
	defer l.close(ctx)
	before, recorded, err := l.run(ctx)
	if err != nil {
		return err
	}
	if recorded && before.MadeSlot {
		if err := replication.DropSlot(ctx, o.From, before.Slot); err != nil {
			return err
		}
	}
	if err := l.remove(ctx); err != nil {
		return fmt.Errorf("cancel the copy to %s: %w", o.To.Instance, err)
	}
	return nil
}

// remove the rows of all tables that were begun, and the record.
func (l *ledger) remove(ctx context.Context) error {
	known, err := l.tables(ctx)
	if err != nil {
		return err
	}
	all, err := describe(ctx, l.conn)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
		for _, d := range all {
			if !known[d.OID].Begun {
				continue
			}
			if err := empty(ctx, tx, table{Name: d.quoted(), Emptied: !d.Referenced}); err != nil {
				return err
			}
		}
		if err := dropLedger(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "SELECT pg_catalog.pg_advisory_unlock_all()")
		return err
	})
}

// dropLedger, and Gitover's schema if nothing else is in it.
func dropLedger(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "DROP TABLE gitover.copy_part, gitover.copy_run"); err != nil {
		return err
	}
	var used bool
	err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND refobjid = 'gitover'::pg_catalog.regnamespace)").Scan(&used)
	if err != nil || used {
		return err
	}
	_, err = tx.Exec(ctx, "DROP SCHEMA gitover")
	return err
}
