package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// nothingOfUsers is why a database without user data (hasUserData) is left out.
const nothingOfUsers = "has no tables, functions, foreign servers or rows of extensions"

// withoutUserData says why database is left out; empty if it isn't.
func withoutUserData(ctx context.Context, s Server, database string) (reason string, err error) {
	var some bool
	err = WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		some, err = hasUserData(ctx, conn)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("what users have in database %q of %s: %w", database, s.Instance, err)
	}
	if !some {
		reason = nothingOfUsers
	}
	return reason, nil
}

// hasUserData: the database has objects of users, or users' data in an extension, such as pg_cron's jobs.
func hasUserData(ctx context.Context, conn *pgx.Conn) (some bool, err error) {
	if err := conn.QueryRow(ctx, query("has_user_objects"), Schema).Scan(&some); err != nil || some {
		return some, err
	}
	type row struct{ Query string }
	tables, err := Collect[row](ctx, conn, query("extension_rows"))
	for _, t := range tables {
		if err := conn.QueryRow(ctx, t.Query).Scan(&some); err != nil || some {
			return some, err
		}
	}
	return false, err
}
