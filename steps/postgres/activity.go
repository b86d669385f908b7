package postgres

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	//go:embed sql/long_transactions.sql
	longTransactionsSQL string
	//go:embed sql/application_sessions.sql
	applicationSessionsSQL string
	//go:embed sql/prepared_transactions.sql
	preparedTransactionsSQL string
)

// Session is a client's session as pg_stat_activity shows it.
type Session struct {
	PID              int
	Database         string
	User             *string
	Application      string
	Address          *string
	State            *string
	TransactionStart *time.Time
	QueryStart       *time.Time
	// Query may hold data of the user's: for deciding, never for logs or status.
	Query string
}

// Fields of a row of the queries about sessions, to be scanned.
func (s *Session) Fields() []any {
	return []any{&s.PID, &s.Database, &s.User, &s.Application, &s.Address, &s.State, &s.TransactionStart, &s.QueryStart, &s.Query}
}

// String names the session for people: who, from where, since when; never its query.
func (s Session) String() string {
	text := fmt.Sprintf("pid %d, user %s, database %s, application %q", s.PID, orDash(s.User), s.Database, s.Application)
	if s.Address != nil {
		text += ", from " + *s.Address
	}
	if s.State != nil {
		text += ", " + *s.State
	}
	if s.TransactionStart != nil {
		text += fmt.Sprintf(", transaction open for %s", time.Since(*s.TransactionStart).Round(100*time.Millisecond))
	}
	if s.QueryStart != nil {
		text += ", last query started " + s.QueryStart.UTC().Format(time.RFC3339)
	}
	return text
}

func orDash(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// LongTransactions lists clients' transactions in databases that are open for longer
// than limit, oldest first. Any database of the server will do for conn.
func LongTransactions(ctx context.Context, conn *pgx.Conn, databases []string, limit time.Duration) ([]Session, error) {
	return sessions(ctx, conn, longTransactionsSQL, databases, limit)
}

// ApplicationSessions lists the sessions in databases that a fence binds.
func ApplicationSessions(ctx context.Context, conn *pgx.Conn, databases []string) ([]Session, error) {
	return sessions(ctx, conn, applicationSessionsSQL, databases)
}

// TerminateSession ends one session; one that is gone is success.
func TerminateSession(ctx context.Context, conn *pgx.Conn, pid int) error {
	_, err := conn.Exec(ctx, "SELECT pg_terminate_backend($1)", pid)
	return err
}

func sessions(ctx context.Context, conn *pgx.Conn, query string, args ...any) ([]Session, error) {
	rows, err := conn.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Session, error) {
		var s Session
		err := row.Scan(s.Fields()...)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// PreparedTransaction is a transaction prepared for two-phase commit.
type PreparedTransaction struct {
	GID, Database, Owner string
	Prepared             time.Time
}

// PreparedTransactions lists those of databases, oldest first.
func PreparedTransactions(ctx context.Context, conn *pgx.Conn, databases []string) ([]PreparedTransaction, error) {
	rows, err := conn.Query(ctx, preparedTransactionsSQL, databases)
	if err != nil {
		return nil, fmt.Errorf("list prepared transactions: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[PreparedTransaction])
	if err != nil {
		return nil, fmt.Errorf("list prepared transactions: %w", err)
	}
	return list, nil
}
