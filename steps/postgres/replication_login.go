package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// ReplicationRefused tries to log in as a base backup does, which pg_hba.conf allows apart from any database. refused is PostgreSQL's
// reason if that fails; err means that the server can't be asked at all. Changes nothing.
func ReplicationRefused(ctx context.Context, s Server) (refused, err error) {
	config, err := s.config("")
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["replication"] = "true"
	conn, err := pgconn.ConnectConfig(ctx, &config.Config)
	if err == nil {
		return nil, conn.Close(context.WithoutCancel(ctx))
	}
	if said := (*pgconn.PgError)(nil); errors.As(err, &said) {
		return errors.New(said.Message), nil
	}
	return nil, &connectionError{cause: err, demandsTLS: s.demandsTLS()}
}
