package replication

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/schema"
)

// UnreplicatedTable is a published table whose changes the subscriber doesn't apply.
type UnreplicatedTable struct {
	// Table is quoted, with its schema.
	Table string
	// State of the initial copy, as pg_subscription_rel has it. Empty: the subscription doesn't
	// know the table, and PostgreSQL skips its changes without an error.
	State string
	// Missing on the subscriber.
	Missing bool
	// Referenced by other tables' foreign keys: a TRUNCATE would need those tables as well.
	Referenced bool
	// DroppedOnPublisher: the subscription still has to copy the table, but the publisher has dropped it.
	DroppedOnPublisher bool
	// NotEmpty: unknown to the subscription, and it has rows, which a copy would double.
	NotEmpty bool
	// Keyless: not published, since UPDATE and DELETE would fail then.
	Keyless bool
	// Remedy of a keyless one: the replica identity that it could have, as ALTER TABLE takes it; empty if there is none, or if
	// the one that Gitover gave it was changed.
	Remedy string
	// Again: the subscription knows a table of this name, but the publisher's was created later, and isn't
	// published.
	Again bool
	// unpublished: the publisher sends nothing of it yet.
	unpublished bool
}

// unknown: only REFRESH PUBLICATION would make the subscription replicate it.
func (u UnreplicatedTable) unknown() bool { return u.State == "" && !u.Missing }

// FixSQL is the SQL by which a superuser empties the table on the subscriber, where
// transactions are read-only by default.
func (u UnreplicatedTable) FixSQL() string {
	if u.Referenced {
		return "BEGIN READ WRITE; SET LOCAL session_replication_role = replica; DELETE FROM ONLY " + u.Table + "; COMMIT"
	}
	return "BEGIN READ WRITE; TRUNCATE ONLY " + u.Table + "; COMMIT"
}

// Why says why the table isn't replicated to the subscriber, and what to do.
func (u UnreplicatedTable) Why(subscriber string) string {
	switch {
	case u.DroppedOnPublisher:
		return fmt.Sprintf("table %s was dropped before it was copied; Gitover removes it from the subscription on %s", u.Table, subscriber)
	case u.Missing:
		return fmt.Sprintf("table %s isn't on %s: create it there, too", u.Table, subscriber)
	case u.Keyless:
		fix := "give it a primary key of columns that aren't generated"
		if u.Remedy != "" {
			fix = fmt.Sprintf("run %s, or %s", alterIdentity(u.Table, u.Remedy), fix)
		}
		return fmt.Sprintf("table %s has no replica identity that could be published, so it isn't replicated: on both sides, %s", u.Table, fix)
	case u.Again:
		return fmt.Sprintf("table %s was dropped and recreated, and is no longer replicated: drop and recreate it on %s, too", u.Table, subscriber)
	case u.State != "":
		return fmt.Sprintf("table %s is being copied to %s", u.Table, subscriber)
	case u.NotEmpty:
		return fmt.Sprintf("table %s isn't replicated yet and has rows on %s, which a copy would double; empty it on %s as a superuser: %s", u.Table, subscriber, subscriber, u.FixSQL())
	}
	return fmt.Sprintf("table %s isn't replicated yet; Gitover copies it to %s once the schemas are equal and no other copy is in progress", u.Table, subscriber)
}

// DescribeUnreplicated puts the first of list into words and counts the others.
func DescribeUnreplicated(list []UnreplicatedTable, subscriber string) string {
	const shown = 5
	var words []string
	for i, u := range list {
		if i == shown {
			words = append(words, fmt.Sprintf("and %d more", len(list)-shown))
			break
		}
		words = append(words, u.Why(subscriber))
	}
	return strings.Join(words, "; ")
}

// CanFollow: only a refresh is missing. Gitover doesn't empty a table by itself, and doesn't
// disturb a running copy.
func CanFollow(list []UnreplicatedTable) bool {
	for _, u := range list {
		if !u.DroppedOnPublisher && !u.unknown() || u.NotEmpty || u.Keyless || u.Again {
			return false
		}
	}
	return len(list) > 0
}

// AnyDropped says whether the publisher has dropped a table of the list.
func AnyDropped(list []UnreplicatedTable) bool {
	return slices.ContainsFunc(list, func(u UnreplicatedTable) bool { return u.DroppedOnPublisher })
}

// ApplicationTables are the publishable tables of database on publisher, without Gitover's own. Reads only.
func ApplicationTables(ctx context.Context, publisher postgres.Server, database string, n postgres.Names) (tables []PublishableTable, err error) {
	err = postgres.WithSession(ctx, publisher, database, func(conn *pgx.Conn) error {
		tables, err = PublishableTables(ctx, conn, n)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("published tables of database %q on %s: %w", database, publisher.Instance, err)
	}
	return slices.DeleteFunc(tables, func(t PublishableTable) bool { return strings.HasPrefix(t.Table, postgres.Schema+".") }), nil
}

// UnreplicatedTables are the tables that publisher publishes in database and subscriber doesn't
// replicate, sorted. Gitover's own are left out. Reads only.
func UnreplicatedTables(ctx context.Context, publisher, subscriber postgres.Server, database string, n postgres.Names) (found []UnreplicatedTable, err error) {
	tables, err := ApplicationTables(ctx, publisher, database, n)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = t.Table
	}
	err = postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		found, err = unreplicated(ctx, conn, n.Subscription(database, subscriber.Instance), names)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("tables that database %q of %s follows: %w", database, subscriber.Instance, err)
	}
	found = withUnpublished(found, tables)
	return found, withRemedies(ctx, publisher, subscriber, database, n, found)
}

// withRemedies adds to tables without a replica identity the one that they could have.
func withRemedies(ctx context.Context, publisher, subscriber postgres.Server, database string, n postgres.Names, found []UnreplicatedTable) error {
	if !slices.ContainsFunc(found, func(u UnreplicatedTable) bool { return u.Keyless }) {
		return nil
	}
	wanted, err := lackingOn(ctx, publisher, database, n, subscriber)
	for _, w := range wanted {
		if i := slices.IndexFunc(found, func(u UnreplicatedTable) bool { return u.Keyless && u.Table == w.table }); i >= 0 {
			found[i].Remedy = w.identity
		}
	}
	return err
}

// withUnpublished adds the tables that the publisher doesn't send to those that the
// subscription doesn't replicate.
func withUnpublished(found []UnreplicatedTable, tables []PublishableTable) []UnreplicatedTable {
	for _, t := range tables {
		if t.Published {
			continue
		}
		i := slices.IndexFunc(found, func(u UnreplicatedTable) bool { return u.Table == t.Table })
		if i < 0 {
			found = append(found, UnreplicatedTable{Table: t.Table, State: "r", Again: true})
			i = len(found) - 1
		}
		found[i].unpublished = true
		found[i].Keyless = !t.Identified() && !found[i].Missing
	}
	return found
}

// unreplicated reads everything in one snapshot: rows of a copy that begins meanwhile must not
// be taken for rows of the user's.
func unreplicated(ctx context.Context, conn *pgx.Conn, subscription string, published []string) ([]UnreplicatedTable, error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	rows, err := tx.Query(ctx, query("unreplicated_tables"), subscription, published, postgres.Schema)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (u UnreplicatedTable, err error) {
		err = row.Scan(&u.Table, &u.State, &u.Missing, &u.Referenced, &u.DroppedOnPublisher)
		return u, err
	})
	if err != nil {
		return nil, err
	}
	for i, u := range found {
		if !u.unknown() {
			continue
		}
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM ONLY "+u.Table+")").Scan(&found[i].NotEmpty); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// refreshPublication makes a subscription replicate tables that it doesn't know, with their rows.
func refreshPublication(subscription string) string {
	return "ALTER SUBSCRIPTION " + postgres.Ident(subscription) + " REFRESH PUBLICATION WITH (copy_data = true)"
}

// RefreshPublication makes the subscription of a fenced subscriber replicate the tables that it doesn't
// know, and returns those that it doesn't replicate afterwards. PostgreSQL copies the tables' rows in the
// background, with changes that it skipped before. Nothing is done unless each of them is empty there,
// that part of the schemas is equal, the subscription is enabled and no table of it is being copied.
// Tables that the publisher dropped before they were copied are removed from the subscription. A second
// call finds the first one's work. Once every table is replicated, synchronous_commit is reset
// (restoreAsyncCommit). Not while a switch is in progress.
func RefreshPublication(ctx context.Context, publisher, subscriber postgres.Server, database string, n postgres.Names, part schema.Part) ([]UnreplicatedTable, error) {
	name := n.Subscription(database, subscriber.Instance)
	found, err := UnreplicatedTables(ctx, publisher, subscriber, database, n)
	if err == nil && len(found) == 0 {
		return nil, restoreAsyncCommit(ctx, subscriber, database, name)
	}
	if err != nil || !CanFollow(found) {
		return found, err
	}
	state, err := SubscriptionState(ctx, subscriber, database, name)
	if err != nil || !state.Enabled {
		return found, err
	}
	if !AnyDropped(found) { // PostgreSQL refuses to drop a table that is still to be copied: schemas can't be equal before
		drift, err := schema.Compare(ctx, publisher, subscriber, database, part)
		if err != nil || len(drift.Differences) > 0 || state.Ready < state.Tables {
			return found, err
		}
	}
	if err := publish(ctx, publisher, database, n, found); err != nil {
		return nil, err
	}
	err = postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		if fenced, err := postgres.FencedHere(ctx, conn); err != nil {
			return err
		} else if !fenced {
			return postgres.ErrOpen
		}
		if err := setCommits(ctx, conn, name, durableCommits); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, refreshPublication(name))
		if postgres.NotFound(err) { // a table was created or dropped since the schemas were compared
			return nil
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("replicate new tables to database %q of %s from %s: %w", database, subscriber.Instance, publisher.Instance, err)
	}
	return UnreplicatedTables(ctx, publisher, subscriber, database, n)
}

// publish adds the missing tables to the publication: the subscription skips their changes until it knows the
// tables, and the copy includes them.
func publish(ctx context.Context, publisher postgres.Server, database string, n postgres.Names, found []UnreplicatedTable) error {
	var tables []string
	for _, u := range found {
		if u.unpublished {
			tables = append(tables, u.Table)
		}
	}
	if len(tables) == 0 {
		return nil
	}
	err := postgres.WithSession(ctx, publisher, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, addTables(n.Publication(), tables))
		if postgres.AlreadyExists(err) || postgres.NotFound(err) { // another session was faster; the next look finds the result
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("publish new tables of database %q on %s: %w", database, publisher.Instance, err)
	}
	return nil
}
