package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// noteSubscriber writes the subscribing server's system identifier into the publication's
// comment: the names of the slots that table synchronization makes end with it, so RemoveAll
// finds those of this upgrade.
func noteSubscriber(ctx context.Context, subscriber postgres.Server, o SubscribeOptions) error {
	identity, err := postgres.IdentityOf(ctx, subscriber)
	if err != nil {
		return err
	}
	id := identity.System
	err = postgres.WithSession(ctx, o.Publisher, o.Database, func(conn *pgx.Conn) error {
		known, err := subscribers(ctx, conn, o.Names)
		if err != nil || slices.Contains(known, id) {
			return err
		}
		comment := subscribersNote + strings.Join(append(known, id), " ")
		_, err = conn.Exec(ctx, "COMMENT ON PUBLICATION "+postgres.Ident(o.Names.Publication())+" IS "+postgres.Literal(comment))
		return err
	})
	if err != nil {
		return fmt.Errorf("note the subscriber of database %q on %s: %w", o.Database, o.Publisher.Instance, err)
	}
	return nil
}

const subscribersNote = "Gitover's; subscribers: "

func subscribers(ctx context.Context, conn *pgx.Conn, n postgres.Names) ([]string, error) {
	var comment string
	err := conn.QueryRow(ctx, query("publication_comment"), n.Publication()).Scan(&comment)
	if rest, ok := strings.CutPrefix(comment, subscribersNote); ok {
		return strings.Fields(rest), err
	}
	return nil, err
}

// RemoveAll removes everything of an upgrade from a server: subscriptions, publications, slots, the slots that table
// synchronization left, replica identities that tables were given, and Gitover's schema if no other upgrade uses it.
// It works also in fenced databases. left names what can't be removed, each with the reason and the SQL that removes
// it; err means that the server can't be queried at all. A second run removes what the first one left.
func RemoveAll(ctx context.Context, s postgres.Server, n postgres.Names) (left []string, err error) {
	databases, err := connectableDatabases(ctx, s)
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, database := range databases {
		found, problems := removeFrom(ctx, s, database, n)
		ids, left = append(ids, found...), append(left, problems...)
	}
	slots, err := listSlots(ctx, s, n, ids)
	if err != nil {
		return left, err
	}
	for _, slot := range slots {
		if tried := fmt.Sprintf("replication slot %q of ", slot); slices.ContainsFunc(left, func(l string) bool { return strings.Contains(l, tried) }) {
			continue // named already
		}
		err := patiently(ctx, func(ctx context.Context) error { return DropSlot(ctx, s, slot) })
		if err != nil {
			left = append(left, byHand(err, "", dropSlotByHand(slot)))
		}
	}
	return left, nil
}

// removeFrom removes everything from one database and returns the servers that had subscribed to it.
func removeFrom(ctx context.Context, s postgres.Server, database string, n postgres.Names) (subscribed, left []string) {
	problem := func(err error) {
		if err != nil {
			left = append(left, err.Error())
		}
	}
	remains := func(err error, sql string) {
		if err != nil {
			left = append(left, byHand(err, database, sql))
		}
	}
	var names []string
	err := postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) (err error) {
		if names, err = ownSubscriptions(ctx, conn, n); err != nil {
			return err
		}
		subscribed, err = subscribers(ctx, conn, n)
		return err
	})
	if err != nil {
		return nil, []string{fmt.Sprintf("look for subscriptions in database %q of %s: %v", database, s.Instance, err)}
	}
	for _, name := range names {
		err := patiently(ctx, func(ctx context.Context) error { return DropSubscription(ctx, s, database, name) })
		remains(err, strings.Join(dropSubscription(name), "; "))
	}
	slots, err := listSlots(ctx, s, n, subscribed)
	problem(err)
	for _, slot := range slots {
		state, err := SlotState(ctx, s, slot)
		problem(err)
		if state.Database == database {
			err := patiently(ctx, func(ctx context.Context) error { return DropSlot(ctx, s, slot) })
			remains(err, dropSlotByHand(slot))
		}
	}
	if len(left) > 0 {
		return subscribed, left
	}
	remains(DropPublication(ctx, s, database, n), "DROP PUBLICATION IF EXISTS "+postgres.Ident(n.Publication()))
	if len(left) > 0 {
		return subscribed, left
	}
	// nothing is published from here or applied any more
	if err := restoreIdentities(ctx, s, database, n); err != nil {
		remains(err, identitiesByHand(ctx, s, database, n))
		return subscribed, left
	}
	if database != postgres.MaintenanceDatabase {
		// the decision register outlives upgrades
		remains(dropSchema(ctx, s, database), "DROP SCHEMA IF EXISTS "+postgres.Ident(postgres.Schema)+" CASCADE")
	}
	return subscribed, left
}

// connectableDatabases are those in which sessions can be opened, also fenced ones.
func connectableDatabases(ctx context.Context, s postgres.Server) (databases []string, err error) {
	err = postgres.WithSession(ctx, s, "", func(conn *pgx.Conn) error {
		databases, err = postgres.Column[string](ctx, conn, query("connectable_databases"))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("databases of %s: %w", s.Instance, err)
	}
	return databases, nil
}

// ownSubscriptions are the upgrade's in the session's database.
func ownSubscriptions(ctx context.Context, conn *pgx.Conn, n postgres.Names) ([]string, error) {
	return postgres.Column[string](ctx, conn, query("own_subscriptions"), n.Prefix())
}

// listSlots are the slots of the upgrade and those of its subscribers' table synchronization.
func listSlots(ctx context.Context, s postgres.Server, n postgres.Names, subscribers []string) (slots []string, err error) {
	err = postgres.WithSession(ctx, s, "", func(conn *pgx.Conn) error {
		slots, err = postgres.Column[string](ctx, conn, query("own_slots"), n.Prefix(), subscribers)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("replication slots of %s: %w", s.Instance, err)
	}
	return slots, nil
}

// dropSchema removes Gitover's schema from a database in which no upgrade is left.
func dropSchema(ctx context.Context, s postgres.Server, database string) error {
	err := postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		var used bool
		if err := conn.QueryRow(ctx, query("upgrades_left")).Scan(&used); err != nil || used {
			return err
		}
		_, err := conn.Exec(ctx, "DROP SCHEMA IF EXISTS "+postgres.Ident(postgres.Schema)+" CASCADE")
		return err
	})
	if err != nil {
		return fmt.Errorf("drop schema %q in database %q of %s: %w", postgres.Schema, database, s.Instance, err)
	}
	return nil
}
