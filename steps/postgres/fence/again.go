package fence

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

//go:embed sql/open_databases.sql
var openDatabasesSQL string

// OpenDatabases are those of databases in which a server lets applications in. Reads only.
func OpenDatabases(ctx context.Context, s postgres.Server, databases []string) (open []string, err error) {
	err = postgres.WithSession(ctx, s, "", func(conn *pgx.Conn) error {
		open, err = postgres.Column[string](ctx, conn, openDatabasesSQL, databases)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the fence of %s: %w", s.Instance, err)
	}
	return open, nil
}

// Again fences a server that doesn't serve and is open nevertheless: a standby took its place that had not replayed its fence.
// serves is asked once more whether it isn't the one that serves; a switch that begins here or leads here meanwhile
// wins, and nothing is done. Existing sessions of applications are terminated. A second call finds nothing to do.
func Again(ctx context.Context, s postgres.Server, databases []string, serves func(context.Context) (bool, error)) error {
	r, err := OpenRegister(ctx, s)
	if err != nil {
		return err
	}
	defer r.Close(context.WithoutCancel(ctx))
	var turn int64
	if err := r.conn.QueryRow(ctx, "SELECT gitover.turn()").Scan(&turn); err != nil {
		return r.failed("fence again", err)
	}
	if served, err := serves(ctx); err != nil || served {
		return err
	}
	var shut bool
	if err := r.conn.QueryRow(ctx, "SELECT gitover.shut_again($1, $2)", databases, turn).Scan(&shut); err != nil || !shut {
		return r.failed("fence again", err)
	}
	return r.failed("fence again", r.terminateApplications(ctx, databases))
}
