package postgres

import (
	"context"
	"fmt"
)

// IsFenced says whether a server stands behind Gitover's fence. One without a register,
// which never took part in an upgrade, does not. Reads only.
func IsFenced(ctx context.Context, s Server) (bool, error) {
	conn, err := s.Connect(ctx, MaintenanceDatabase)
	if DatabaseMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer closeSession(conn)
	var fenced bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM gitover.connection_limits l JOIN pg_catalog.pg_database d USING (datname) WHERE d.datconnlimit = 0 AND l.connlimit <> 0)`).Scan(&fenced)
	if NotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the fence of %s: %w", s.Instance, err)
	}
	return fenced, nil
}
