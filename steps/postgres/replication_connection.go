package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// ConnectReplication opens a session with database that speaks the replication protocol: CREATE_REPLICATION_SLOT and its like, by
// Exec. The caller closes it. Errors are those of Connect.
func (s Server) ConnectReplication(ctx context.Context, database string) (*pgconn.PgConn, error) {
	config, err := s.config(database)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["replication"] = "database"
	conn, err := pgconn.ConnectConfig(ctx, &config.Config)
	if err != nil {
		return nil, fmt.Errorf("replication session on %s (%s), database %q as %q: %w", s.Instance, s.Address(), database, s.User, &connectionError{cause: err, demandsTLS: s.demandsTLS()})
	}
	return conn, nil
}
