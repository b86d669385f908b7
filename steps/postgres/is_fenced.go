package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// IsFenced says whether a server is behind Gitover's fence. A server without a register, which
// never took part in an upgrade, is not. Reads only.
func IsFenced(ctx context.Context, s Server) (fenced bool, err error) {
	// the register is read only if a database is closed: this check runs all the time
	err = WithSession(ctx, s, "", func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datconnlimit = 0)").Scan(&fenced)
	})
	if err == nil && fenced {
		err = WithSession(ctx, s, MaintenanceDatabase, func(conn *pgx.Conn) error {
			return conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM gitover.connection_limits l JOIN pg_catalog.pg_database d USING (datname)
				WHERE d.datconnlimit = 0 AND l.connlimit <> 0)`).Scan(&fenced)
		})
	}
	if DatabaseMissing(err) || NotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the fence of %s: %w", s.Instance, err)
	}
	return fenced, nil
}
