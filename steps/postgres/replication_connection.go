package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// ConnectReplication opens a session with database that speaks the replication protocol: CREATE_REPLICATION_SLOT and its like, by
// Exec. The caller closes it. Errors are those of Connect.
func (s Server) ConnectReplication(ctx context.Context, database string) (*pgconn.PgConn, error) {
	conn, err := s.connectReplication(ctx, database, "database")
	if err != nil {
		return nil, fmt.Errorf("replication session on %s (%s), database %q as %q: %w", s.Instance, s.Address(), database, s.User, err)
	}
	return conn, nil
}

// ReplicationRefused tries to log in as a base backup does, which pg_hba.conf allows apart from any database. refused is PostgreSQL's
// reason if that fails; err means that the server can't be asked at all. Changes nothing.
func ReplicationRefused(ctx context.Context, s Server) (refused, err error) {
	conn, err := s.connectReplication(ctx, "", "true")
	if err == nil {
		return nil, conn.Close(context.WithoutCancel(ctx))
	}
	if said := (*pgconn.PgError)(nil); errors.As(err, &said) {
		return errors.New(said.Message), nil
	}
	return nil, err
}

// connectReplication with the value of the parameter replication: "database" for logical replication, "true" for physical.
func (s Server) connectReplication(ctx context.Context, database, replication string) (*pgconn.PgConn, error) {
	config, err := s.config(database)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["replication"] = replication
	conn, err := pgconn.ConnectConfig(ctx, &config.Config)
	if err != nil {
		return nil, &connectionError{cause: err, demandsTLS: s.demandsTLS()}
	}
	return conn, nil
}
