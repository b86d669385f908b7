package replication

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// ConnectionStale says whether the subscription of database connects to publisher by another host, port,
// user, password or trust than Gitover would write now. A missing subscription is not stale. Reads only.
func ConnectionStale(ctx context.Context, publisher, subscriber postgres.Server, database string, n postgres.Names) (stale bool, err error) {
	err = postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		stale, _, err = staleConnection(ctx, conn, publisher, database, n.Subscription(database, subscriber.Instance))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("connection of the subscription in database %q of %s: %w", database, subscriber.Instance, err)
	}
	return stale, nil
}

// RenewConnection rewrites the connection to publisher in the subscription of database if it is stale, and says
// whether it did. PostgreSQL restarts the apply worker by itself. Gitover must be able to log in to publisher
// first: a Secret that was changed before its server must not end a working connection. The password doesn't
// reach the server's log.
func RenewConnection(ctx context.Context, publisher, subscriber postgres.Server, database string, n postgres.Names) (renewed bool, err error) {
	stale, err := ConnectionStale(ctx, publisher, subscriber, database, n)
	if err != nil || !stale {
		return false, err
	}
	if err := postgres.WithSession(ctx, publisher, database, func(conn *pgx.Conn) error { return conn.Ping(ctx) }); err != nil {
		return false, err
	}
	err = postgres.WithQuietSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		renewed, err = renewConnection(ctx, conn, publisher, database, n.Subscription(database, subscriber.Instance))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("rewrite the connection of the subscription in database %q of %s to %s: %w", database, subscriber.Instance, publisher.Instance, err)
	}
	return renewed, nil
}

// renewConnection in a quiet session.
func renewConnection(ctx context.Context, conn *pgx.Conn, publisher postgres.Server, database, name string) (bool, error) {
	stale, want, err := staleConnection(ctx, conn, publisher, database, name)
	if err != nil || !stale {
		return false, err
	}
	_, err = conn.Exec(ctx, "ALTER SUBSCRIPTION "+postgres.Ident(name)+" CONNECTION "+postgres.Literal(want))
	return err == nil, err
}

// staleConnection compares, and returns the wanted connection string, which holds the password.
func staleConnection(ctx context.Context, conn *pgx.Conn, publisher postgres.Server, database, name string) (stale bool, want string, err error) {
	version, err := postgres.VersionOf(ctx, conn)
	if err != nil {
		return false, "", err
	}
	want = Conninfo(publisher, database, version)
	var have []byte
	err = conn.QueryRow(ctx, query("subscription_connection"), name).Scan(&have)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, want, nil
	}
	sum := sha256.Sum256([]byte(want))
	return err == nil && !bytes.Equal(have, sum[:]), want, err
}

// Reach makes subscriber connect to publisher as its subscriptions will, for replication and with their connection
// string, in a transaction that is rolled back. refused is PostgreSQL's reason if that fails; err means that the
// subscriber can't be queried. Changes nothing.
func Reach(ctx context.Context, subscriber, publisher postgres.Server, n postgres.Names) (refused, err error) {
	err = postgres.WithQuietSession(ctx, subscriber, "", func(conn *pgx.Conn) error {
		version, err := postgres.VersionOf(ctx, conn)
		if err != nil {
			return err
		}
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		_, err = tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = '30s'; CREATE SUBSCRIPTION %s CONNECTION %s PUBLICATION none WITH (create_slot = false, slot_name = NONE, enabled = false, copy_data = false)",
			postgres.Ident(n.Prefix()+"reach"), postgres.Literal(Conninfo(publisher, publisher.MaintenanceDatabase, version))))
		if said := postgres.TriedAndRefused(err); said != nil {
			refused, err = errors.New(said.Message), nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("have %s try to reach %s: %w", subscriber.Instance, publisher.Instance, err)
	}
	return refused, nil
}
