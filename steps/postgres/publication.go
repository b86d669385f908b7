package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// createPublication publishes all tables with the options that every version knows. A table made
// later is published too, but a subscription doesn't know it: while the table is missing there,
// the subscriber stops with an error; once it is there, its changes are skipped in silence until
// the publication is refreshed (FollowTables).
func createPublication(name string) string {
	return "CREATE PUBLICATION " + ident(name) + " FOR ALL TABLES WITH (publish = 'insert, update, delete, truncate')"
}

// CreatePublication makes the upgrade's publication in database; success when it is there.
func CreatePublication(ctx context.Context, s Server, database string, n Names) error {
	err := withSession(ctx, s, database, func(conn *pgx.Conn) error {
		var there bool
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = $1)", n.Publication()).Scan(&there)
		if err != nil || there {
			return err
		}
		_, err = conn.Exec(ctx, createPublication(n.Publication()))
		if AlreadyExists(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("publication %q in database %q of %s: %w", n.Publication(), database, s.Instance, err)
	}
	return nil
}

// PublicationExists tells whether the upgrade's publication is in database.
func PublicationExists(ctx context.Context, s Server, database string, n Names) (bool, error) {
	there, err := scalar[bool](ctx, s, database, "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = $1)", n.Publication())
	if err != nil {
		return false, fmt.Errorf("look for publication %q in database %q of %s: %w", n.Publication(), database, s.Instance, err)
	}
	return there, nil
}

// DropPublication removes the upgrade's publication from database; success when absent.
func DropPublication(ctx context.Context, s Server, database string, n Names) error {
	err := withSession(ctx, s, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "DROP PUBLICATION IF EXISTS "+ident(n.Publication()))
		return err
	})
	if err != nil {
		return fmt.Errorf("drop publication %q in database %q of %s: %w", n.Publication(), database, s.Instance, err)
	}
	return nil
}
