package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Commits of a subscription wait for the disk while a table is copied; by PostgreSQL's default none
// does. A worker that has copied a table and caught up records that in its last transaction, and
// drops its slot on the publisher before that commits (process_syncing_tables_for_sync in
// tablesync.c, 14 to 18). If the subscriber crashes before that commit is on its disk, each new
// worker asks for the dropped slot, for ever (OrphanedTableSyncs).
//
// A subscriber that has synchronous standbys always waits for them: the publisher doesn't send confirmed
// changes again, so a standby that replaces the subscriber must have them.
type commits string

const (
	durableCommits commits = "local"
	lazyCommits    commits = "off"
	sharedCommits  commits = "on"
)

// orShared is c, or the setting that a subscriber with synchronous standbys needs instead.
func (c commits) orShared(ctx context.Context, conn postgres.Asker) (commits, error) {
	var standbys bool
	err := conn.QueryRow(ctx, "SELECT current_setting('synchronous_standby_names') <> ''").Scan(&standbys)
	if standbys {
		c = sharedCommits
	}
	return c, err
}

func (c commits) option() string { return "synchronous_commit = " + string(c) }

// setCommits sets whether commits of a subscription wait for the disk; its workers continue.
func setCommits(ctx context.Context, tx postgres.Execer, subscription string, c commits) error {
	c, err := c.orShared(ctx, tx)
	if err == nil {
		_, err = tx.Exec(ctx, "ALTER SUBSCRIPTION "+postgres.Ident(subscription)+" SET ("+c.option()+")")
	}
	return err
}

// restoreAsyncCommit resets the subscription's synchronous_commit, which is on during a copy, unless
// one of its tables is still being copied.
func restoreAsyncCommit(ctx context.Context, subscriber postgres.Server, database, subscription string) error {
	state, err := SubscriptionState(ctx, subscriber, database, subscription)
	if err != nil || !state.DurableCommits {
		return err
	}
	err = postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		// this first: its lock keeps other sessions from making the subscription copy tables
		if err := setCommits(ctx, tx, subscription, lazyCommits); err != nil {
			return err
		}
		var left bool
		if err := tx.QueryRow(ctx, query("copies_left"), subscription).Scan(&left); err != nil || left {
			return err
		}
		return tx.Commit(ctx)
	})
	if err != nil {
		return fmt.Errorf("reset synchronous_commit of subscription %q in database %q of %s: %w", subscription, database, subscriber.Instance, err)
	}
	return nil
}

// copiedTable is copied and still has to catch up, by a slot of its own.
type copiedTable struct{ Table, Slot string }

// OrphanedTableSyncs are the tables of database, quoted, that no worker on subscriber can finish: their rows are
// there, but the slot by which they would catch up is gone. This needs a crash in the few milliseconds between
// two actions of PostgreSQL (durableCommits). Reads only.
func OrphanedTableSyncs(ctx context.Context, publisher, subscriber postgres.Server, database string, n postgres.Names) ([]string, error) {
	name := n.Subscription(database, subscriber.Instance)
	before, err := copiedTables(ctx, subscriber, database, name, []uint32{})
	if err != nil || len(before) == 0 {
		return nil, err
	}
	slots := make([]string, len(before))
	for i, c := range before {
		slots[i] = c.Slot
	}
	var there []string
	err = postgres.WithSession(ctx, publisher, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query("existing_slots"), slots).Scan(&there)
	})
	if err != nil {
		return nil, fmt.Errorf("slots of the copy of database %q on %s: %w", database, publisher.Instance, err)
	}
	// A worker that dropped its slot since then and isn't alive now has ended, and the next
	// query of the tables sees what it committed.
	var alive []uint32
	err = postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query("sync_workers_of"), name).Scan(&alive)
	})
	if err != nil {
		return nil, fmt.Errorf("workers of database %q on %s: %w", database, subscriber.Instance, err)
	}
	after, err := copiedTables(ctx, subscriber, database, name, alive)
	if err != nil {
		return nil, err
	}
	var stranded []string
	for _, c := range after {
		if slices.Contains(slots, c.Slot) && !slices.Contains(there, c.Slot) {
			stranded = append(stranded, c.Table)
		}
	}
	return stranded, nil
}

// copiedTables of a subscription, but for those of some workers.
func copiedTables(ctx context.Context, subscriber postgres.Server, database, name string, without []uint32) (found []copiedTable, err error) {
	err = postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		found, err = postgres.Collect[copiedTable](ctx, conn, query("orphaned_table_syncs"), name, without)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("copied tables of database %q on %s: %w", database, subscriber.Instance, err)
	}
	return found, nil
}

// DropCopy ends the subscription of a database, and drops the slots of its tables' workers, so that
// CreateSubscription copies every table again; the database's own slot stays, and keeps every
// change since. Success if there is no subscription. A second run removes what the first one left.
func DropCopy(ctx context.Context, publisher, subscriber postgres.Server, database string, n postgres.Names) error {
	name := n.Subscription(database, subscriber.Instance)
	var oid, system string
	err := postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, query("subscription_identity"), name).Scan(&oid, &system)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("subscription %q in database %q of %s: %w", name, database, subscriber.Instance, err)
	}
	if err := SetSubscriptionEnabled(ctx, subscriber, database, name, false); err != nil {
		return err
	}
	err = postgres.WithSession(ctx, publisher, database, func(conn *pgx.Conn) error {
		return postgres.WaitUntil(ctx, 100*time.Millisecond, func() (gone bool, err error) {
			err = conn.QueryRow(ctx, query("drop_sync_slots"), oid, system).Scan(&gone)
			return gone, err
		})
	})
	if err != nil {
		return fmt.Errorf("drop slots of the copy of database %q on %s: %w", database, publisher.Instance, err)
	}
	return DropSubscription(ctx, subscriber, database, name)
}
