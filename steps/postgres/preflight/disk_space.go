package preflight

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// CheckDiskSpace writes half a MiB into a temporary table of database, which goes with the
// session. An error that DiskFull recognizes says that the server has no room left.
func CheckDiskSpace(ctx context.Context, s postgres.Server, database string) error {
	err := postgres.WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, query("check_disk_space"))
		return err
	})
	if err != nil {
		return fmt.Errorf("write to database %q on %s: %w", database, s.Instance, err)
	}
	return nil
}
