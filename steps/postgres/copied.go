package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Commits of a subscription wait for the disk while a table is copied. PostgreSQL's default is
// off, but a worker that has copied a table drops its slot on the publisher right after the
// commit that says the table is done (process_syncing_tables_for_sync in tablesync.c). When the
// subscriber crashes before that commit is on disk, each new worker asks for a slot that is
// gone, for ever. Local: no standby of the subscriber is waited for.
const (
	durableCommits = "synchronous_commit = local"
	lazyCommits    = "synchronous_commit = off"
)

// setCommits says whether commits of a subscription wait for the disk; its workers go on.
func setCommits(subscription, commits string) string {
	return "ALTER SUBSCRIPTION " + ident(subscription) + " SET (" + commits + ")"
}

// settleCopy ends what a copy needed, once every table follows: slots of its workers that the
// publisher still has, whose end a worker didn't live to see, and commits that wait for the
// disk. Success when there is no such thing, and nothing is done while a table is being copied.
func settleCopy(ctx context.Context, publisher, subscriber Server, database, subscription string) error {
	state, err := SubscriptionState(ctx, subscriber, database, subscription)
	if err != nil || !state.Durable {
		return err
	}
	var oid, system string
	err = withSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query("subscription_identity"), subscription).Scan(&oid, &system)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("subscription %q in database %q of %s: %w", subscription, database, subscriber.Instance, err)
	}
	err = withSession(ctx, publisher, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, query("drop_sync_slots"), oid, system)
		return err
	})
	if err != nil {
		return fmt.Errorf("drop slots of a finished copy of database %q on %s: %w", database, publisher.Instance, err)
	}
	err = withSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, setCommits(subscription, lazyCommits))
		return err
	})
	if err != nil {
		return fmt.Errorf("settle subscription %q in database %q of %s: %w", subscription, database, subscriber.Instance, err)
	}
	return nil
}
