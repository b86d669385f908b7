package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Analyzed tells whether every table of database has planner statistics, and how many have not.
func Analyzed(ctx context.Context, s Server, database string) (done bool, missing int, err error) {
	var tables []string
	err = withSession(ctx, s, database, func(conn *pgx.Conn) error {
		tables, err = notAnalyzed(ctx, conn)
		return err
	})
	if err != nil {
		return false, 0, fmt.Errorf("statistics of database %q on %s: %w", database, s.Instance, err)
	}
	return len(tables) == 0, len(tables), nil
}

// Analyze collects statistics for every table that has none; a second run goes on where the
// first one stopped.
func Analyze(ctx context.Context, s Server, database string) error {
	err := withSession(ctx, s, database, func(conn *pgx.Conn) error {
		if err := withoutTimeout(ctx, conn); err != nil {
			return err
		}
		tables, err := notAnalyzed(ctx, conn)
		if err != nil {
			return err
		}
		for _, table := range tables {
			if _, err := conn.Exec(ctx, "ANALYZE "+table); err != nil && !NotFound(err) {
				return fmt.Errorf("table %s: %w", table, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("analyze database %q on %s: %w", database, s.Instance, err)
	}
	return nil
}

func notAnalyzed(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	return column[string](ctx, conn, query("not_analyzed"))
}
