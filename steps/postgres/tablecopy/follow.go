package tablecopy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// Follow has the target's database subscribe to a publication of the source, from the slot that the copy was made with: each table from the
// position at which it was copied. The subscription is called like the slot. A subscription of that name is left as it is. The record of the copy
// goes with the same transaction.
func Follow(ctx context.Context, o Options, publication string) error {
	if o.Slot == "" {
		return errors.New("following needs the replication slot of the copy")
	}
	err := postgres.WithQuietSession(ctx, o.To, o.ToDatabase, func(conn *connection) error {
		var there, recorded bool
		if err := conn.QueryRow(ctx, query("follow_state"), o.Slot).Scan(&there, &recorded); err != nil || there {
			return err
		}
		var slot string
		if recorded {
			if err := conn.QueryRow(ctx, "SELECT max(slot) FROM gitover.copy_run").Scan(&slot); err != nil {
				return err
			}
		}
		if slot != o.Slot {
			return errors.New("there is no record of a copy with this slot")
		}
		version, err := postgres.VersionOf(ctx, conn)
		if err != nil {
			return err
		}
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return follow(ctx, tx, o, followed{publication, version}) })
	})
	if err != nil {
		return fmt.Errorf("subscribe database %q of %s to publication %q of %s: %w", o.ToDatabase, o.To.Instance, publication, o.From.Instance, err)
	}
	return nil
}

type followed struct {
	publication string
	version     int
}

func follow(ctx context.Context, tx pgx.Tx, o Options, f followed) error {
	more := ""
	if f.version >= postgres.WithRunAsOwner {
		more = ", run_as_owner = true"
	}
	create := fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION %s PUBLICATION %s WITH (create_slot = false, slot_name = %s, enabled = false, copy_data = false%s)",
		postgres.Ident(o.Slot), postgres.Literal(replication.Conninfo(o.From, o.FromDatabase, f.version)), postgres.Ident(f.publication), postgres.Literal(o.Slot), more)
	if _, err := tx.Exec(ctx, create); err != nil {
		return err
	}
	if err := BeginWhereCopied(ctx, tx, o.Slot); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "ALTER SUBSCRIPTION "+postgres.Ident(o.Slot)+" ENABLE")
	return err
}

// BeginWhereCopied has a subscription that the transaction has made, without a copy and disabled, begin with each table at the position at which that
// was copied. The record of the copy goes with the transaction. The subscription reads the slot of the copy, and its publication.
func BeginWhereCopied(ctx context.Context, tx pgx.Tx, subscription string) error {
	var missing string
	if err := tx.QueryRow(ctx, query("follow_positions"), subscription).Scan(&missing); err != nil {
		return err
	}
	if missing != "" {
		return fmt.Errorf("the publication has tables that weren't copied: %s", missing)
	}
	return dropLedger(ctx, tx)
}
