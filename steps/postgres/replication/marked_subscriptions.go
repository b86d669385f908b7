package replication

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// ReturnSubscriptions enables what MoveSubscriptions disabled in databases of the old side for switch id, which is undone.
// Nothing to do is success; subscriptions that a later switch disabled belong to that switch.
func ReturnSubscriptions(ctx context.Context, old postgres.Server, databases []string, id string) error {
	return eachMarked(ctx, old, databases, id, "return", func(move) []string { return []string{"ENABLE"} })
}

// LandSubscriptions enables on the new side, which serves, what switch id moved to databases of it. Nothing to do is success.
func LandSubscriptions(ctx context.Context, serving postgres.Server, databases []string, id string) error {
	return eachMarked(ctx, serving, databases, id, "enable", func(m move) []string {
		return []string{"SET (slot_name = " + postgres.Literal(m.Slot) + ")", "ENABLE"}
	})
}

// LeaveSubscriptions removes the slot from the subscriptions that switch id moved away from databases, so that the old
// side neither reads nor drops it. Nothing to do is success.
func LeaveSubscriptions(ctx context.Context, left postgres.Server, databases []string, id string) error {
	return eachMarked(ctx, left, databases, id, "leave", func(move) []string { return []string{"SET (slot_name = NONE)"} })
}

// eachMarked removes the mark of switch id from the subscriptions of databases that have it, together with
// changes.
func eachMarked(ctx context.Context, server postgres.Server, databases []string, id, verb string, changes func(move) []string) error {
	err := eachDatabaseWithSubscriptions(ctx, server, databases, false, func(_ string, conn *pgx.Conn) error {
		all, err := postgres.Collect[movingSubscription](ctx, conn, query("moving_subscriptions"), movingMark)
		for _, s := range all {
			if m, marked := s.move(); marked && m.Switch == id && err == nil {
				err = s.mark(ctx, conn, m.Comment, changes(m)...)
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("%s the subscriptions of others on %s: %w", verb, server.Instance, err)
	}
	return nil
}

// eachDatabaseWithSubscriptions opens a session only in databases that have subscriptions of others, enabled or disabled ones:
// few have any.
func eachDatabaseWithSubscriptions(ctx context.Context, server postgres.Server, databases []string, enabled bool, do func(string, *pgx.Conn) error) error {
	var having []string
	err := postgres.WithSession(ctx, server, "", func(conn *pgx.Conn) (err error) {
		having, err = postgres.Column[string](ctx, conn, query("databases_with_subscriptions"), databases, enabled)
		return err
	})
	for _, db := range having {
		if err == nil {
			err = postgres.WithSession(ctx, server, db, func(conn *pgx.Conn) error { return do(db, conn) })
		}
	}
	return err
}
