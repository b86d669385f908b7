package preflight

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// schemaLocks are the facts about how many locks the Jobs that copy these databases' schemas hold at once.
// Each Job dumps and restores in one transaction, and the shared lock table has a fixed size. Reads only.
func schemaLocks(ctx context.Context, blue postgres.Server, databases []string) (map[string]string, error) {
	var dump, restore int64
	for _, database := range databases {
		err := postgres.WithSession(ctx, blue, database, func(conn *pgx.Conn) error {
			var d, r int64
			err := conn.QueryRow(ctx, query("schema_locks"), postgres.Schema).Scan(&d, &r)
			dump, restore = dump+d, restore+r
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("count what database %q on %s would lock: %w", database, blue.Instance, err)
		}
	}
	return map[string]string{
		"gitover.dump_locks": strconv.FormatInt(dump, 10), "gitover.restore_locks": strconv.FormatInt(restore, 10),
	}, nil
}
