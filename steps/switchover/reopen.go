package switchover

import (
	"context"
	"fmt"

	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// olderStandbyError: the new side's primary was replaced, right after the decision, by a standby that lacks
// rows.
type olderStandbyError struct{ from, to, database string }

func (e *olderStandbyError) Error() string {
	return fmt.Sprintf("%s was replaced by a standby that lacks rows of database %q which %s had sent before the switch, so it isn't opened: "+
		"see \"Both sides are closed\" in docs/operations.md", e.to, e.database, e.from)
}

// readyAgain makes the incoming switch of a decided switch again if the new side's register has lost it: the promoted
// standby is a moment older. The standby must have everything that the old side wrote up to its fence. This is checked
// before the old side allows connections: rows that were confirmed before the promotion aren't sent again, but the
// marker behind them might be.
func readyAgain(ctx context.Context, in Input, to *fence.Register) error {
	incoming, err := to.IncomingSwitch(ctx, in.ID)
	if err != nil || incoming.State != "" {
		return err
	}
	from, err := fence.OpenRegister(ctx, in.From)
	if err != nil {
		return err
	}
	defer from.Close(ctx)
	stands, err := from.State(ctx, in.ID)
	if err != nil || stands.Decision != fence.Commit {
		return err
	}
	markers, err := from.Markers(ctx, in.ID)
	if err != nil {
		return err
	}
	for _, db := range in.Databases {
		id, known := markers[db]
		if known {
			if known, err = replication.HasMarker(ctx, in.To, db, in.From.Instance, id); err != nil {
				return err
			}
		}
		if !known {
			return &olderStandbyError{from: in.From.Instance, to: in.To.Instance, database: db}
		}
	}
	// sequences are set in parallel with the drain, so the standby may have the marker and not the sequences
	if err := allowReplication(ctx, in); err != nil {
		return err
	}
	err = eachDatabase(ctx, in.Databases, func(ctx context.Context, db string) error {
		return transfer.CopySequences(ctx, in.From, in.To, db)
	})
	if err != nil {
		return err
	}
	hash, err := from.KeyHash(ctx, in.ID)
	if err != nil {
		return err
	}
	_, err = to.Ready(ctx, in.row(), hash)
	return err
}

// Reopen opens the serving side if it is fenced although no switch is in progress: its primary was replaced by
// a standby that had not replayed the opening. in is the last switch, which led there. It has no rollback path
// afterwards: the slots were lost with the primary. An error says why it can't be opened. Retry-safe.
func Reopen(ctx context.Context, in Input) error {
	in.Limits = in.Limits.withDefaults()
	from, err := fence.OpenRegister(ctx, in.From)
	if err != nil {
		return err
	}
	stands, err := from.State(ctx, in.ID)
	from.Close(ctx)
	if err != nil {
		return err
	}
	if stands.Decision != fence.Commit {
		return fmt.Errorf("%s has no record of a switch %s to %s", in.From.Instance, in.ID, in.To.Instance)
	}
	return openIncomingSwitch(ctx, in, stands.Key)
}
