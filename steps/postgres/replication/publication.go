package replication

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// missing are the tables that a publication should have and doesn't. A table without a replica identity is left
// out: applications' UPDATE and DELETE of it would fail.
func missing(tables []PublishableTable) []string {
	var names []string
	for _, t := range tables {
		if !t.Published && t.Identified() {
			names = append(names, t.Table)
		}
	}
	return names
}

// createPublication lists its tables, with the options that every version has. A table that is created later isn't published
// before it is on both sides (RefreshPublication): with FOR ALL TABLES an application's UPDATE of a table without a key
// would fail at once, and the subscriber would stop at the rows of a table that it doesn't have.
func createPublication(name string, tables []string) string {
	list := ""
	if len(tables) > 0 {
		list = " FOR TABLE ONLY " + strings.Join(tables, ", ONLY ")
	}
	return "CREATE PUBLICATION " + postgres.Ident(name) + list + " WITH (publish = 'insert, update, delete, truncate')"
}

func addTables(name string, tables []string) string {
	return "ALTER PUBLICATION " + postgres.Ident(name) + " ADD TABLE ONLY " + strings.Join(tables, ", ONLY ")
}

// CreatePublication makes the upgrade's publication in database, of every table that has a replica identity, or
// adds the tables that were created since; success when there is nothing to do. The marker table comes first.
func CreatePublication(ctx context.Context, s postgres.Server, database string, n postgres.Names) error {
	err := postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		var there bool
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = $1)", n.Publication()).Scan(&there)
		if err != nil {
			return err
		}
		tables, err := PublishableTables(ctx, conn, n)
		if err != nil {
			return err
		}
		names := missing(tables)
		switch {
		case !there:
			_, err = conn.Exec(ctx, createPublication(n.Publication(), names))
		case len(names) > 0:
			_, err = conn.Exec(ctx, addTables(n.Publication(), names))
		}
		if postgres.AlreadyExists(err) { // another controller did it meanwhile
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
func PublicationExists(ctx context.Context, s postgres.Server, database string, n postgres.Names) (bool, error) {
	there, err := postgres.Scalar[bool](ctx, s, database, "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = $1)", n.Publication())
	if err != nil {
		return false, fmt.Errorf("look for publication %q in database %q of %s: %w", n.Publication(), database, s.Instance, err)
	}
	return there, nil
}

// DropPublication removes the upgrade's publication from database; success when absent.
func DropPublication(ctx context.Context, s postgres.Server, database string, n postgres.Names) error {
	err := postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "DROP PUBLICATION IF EXISTS "+postgres.Ident(n.Publication()))
		return err
	})
	if err != nil {
		return fmt.Errorf("drop publication %q in database %q of %s: %w", n.Publication(), database, s.Instance, err)
	}
	return nil
}
