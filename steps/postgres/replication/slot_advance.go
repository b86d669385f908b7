package replication

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

//go:embed sql/advance_slot.sql
var advanceSlotSQL string

// AdvanceSlot moves a logical slot of db exactly to position: what was written before is
// skipped, what was written after is sent. A slot at that position or beyond stays. InUse
// recognizes the error of a slot that has a reader.
func AdvanceSlot(ctx context.Context, publisher postgres.Server, db, slot, position string) error {
	err := postgres.WithSession(ctx, publisher, db, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, advanceSlotSQL, slot, position)
		return err
	})
	if err != nil {
		return fmt.Errorf("advance slot %q on %s to %s: %w", slot, publisher.Instance, position, err)
	}
	return nil
}
