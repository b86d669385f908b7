package transfer

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/postgres"
)

// analyzeSessions collect statistics side by side: each reads a sample of one table, mostly from the disk.
const analyzeSessions = 4

// Analyzed tells whether every table of database has planner statistics, including those of its indexes and extended
// statistics, and how many tables lack some.
func Analyzed(ctx context.Context, s postgres.Server, database string) (done bool, missing int, err error) {
	tables, err := notAnalyzed(ctx, s, database)
	if err != nil {
		return false, 0, fmt.Errorf("statistics of database %q on %s: %w", database, s.Instance, err)
	}
	return len(tables) == 0, len(tables), nil
}

// Analyze collects statistics for every table that lacks some, the largest first, several at a time; a second run
// continues where the first one stopped.
func Analyze(ctx context.Context, s postgres.Server, database string) error {
	tables, err := notAnalyzed(ctx, s, database)
	if err == nil {
		err = analyze(ctx, s, database, tables)
	}
	if err != nil {
		return fmt.Errorf("analyze database %q on %s: %w", database, s.Instance, err)
	}
	return nil
}

func analyze(ctx context.Context, s postgres.Server, database string, tables []string) error {
	queue := make(chan string, len(tables))
	for _, table := range tables {
		queue <- table
	}
	close(queue)
	group, ctx := errgroup.WithContext(ctx)
	for range min(analyzeSessions, len(tables)) {
		group.Go(func() error {
			return postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
				if err := postgres.WithoutTimeout(ctx, conn); err != nil {
					return err
				}
				for table := range queue {
					if _, err := conn.Exec(ctx, "ANALYZE "+table); err != nil && !postgres.NotFound(err) {
						return fmt.Errorf("table %s: %w", table, err)
					}
				}
				return nil
			})
		})
	}
	return group.Wait()
}

func notAnalyzed(ctx context.Context, s postgres.Server, database string) (tables []string, err error) {
	err = postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		tables, err = postgres.Column[string](ctx, conn, query("not_analyzed"))
		return err
	})
	return tables, err
}
