package replication

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// FailedCopies are the tables of database, quoted, whose copy failed and isn't running now: a worker had reached the publisher
// and begun, and ended before the rows were there. PostgreSQL counts failures only from 15 on, and not by table. Reads only.
func FailedCopies(ctx context.Context, subscriber postgres.Server, database string, n postgres.Names) (failed []string, err error) {
	name := n.Subscription(database, subscriber.Instance)
	err = postgres.WithSession(ctx, subscriber, database, func(conn *pgx.Conn) error {
		before, err := begunCopies(ctx, conn, name)
		if err != nil || !slices.Contains(slices.Collect(maps.Values(before)), false) {
			return err
		}
		// the copy of a worker that finished between the two queries is not in the next result
		after, err := begunCopies(ctx, conn, name)
		for table := range after {
			if working, there := before[table]; there && !working {
				failed = append(failed, table)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("copies of database %q on %s: %w", database, subscriber.Instance, err)
	}
	slices.Sort(failed)
	return failed, nil
}

// begunCopies are tables whose copy isn't finished, each with whether a worker copies it now.
func begunCopies(ctx context.Context, conn *pgx.Conn, subscription string) (map[string]bool, error) {
	type row struct {
		Table   string
		Working bool
	}
	rows, err := postgres.Collect[row](ctx, conn, query("failed_copies"), subscription)
	copies := map[string]bool{}
	for _, r := range rows {
		copies[r.Table] = r.Working
	}
	return copies, err
}
