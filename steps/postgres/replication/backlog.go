package replication

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Backlog is what subscribers lack of their publisher, the largest over several slots.
type Backlog struct {
	// Bytes of WAL that are not confirmed yet.
	Bytes int64
	// RetainedBytes of WAL that the publisher keeps.
	RetainedBytes int64
	// DelayMilliseconds by which changes are applied later; nil while no subscriber is connected.
	DelayMilliseconds *int64
}

// ErrSlotMissing: a slot isn't there, or has no confirmed position.
var ErrSlotMissing = errors.New("missing, or without a confirmed position")

// BacklogOf slots of one publisher, with one query, whatever database they belong to. A slot that isn't there is ErrSlotMissing.
func BacklogOf(ctx context.Context, publisher postgres.Server, slots []string) (b Backlog, err error) {
	known := 0
	err = postgres.WithSession(ctx, publisher, "", func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query("backlog"), slots).Scan(&known, &b.Bytes, &b.RetainedBytes, &b.DelayMilliseconds)
	})
	if err == nil && known < len(slots) {
		err = fmt.Errorf("%d of them: %w", len(slots)-known, ErrSlotMissing)
	}
	if err != nil {
		return Backlog{}, fmt.Errorf("backlog of replication slots %q of %s: %w", slots, publisher.Instance, err)
	}
	return b, nil
}
