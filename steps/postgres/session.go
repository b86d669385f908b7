package postgres

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed sql
var files embed.FS

var query = Queries(files)

// Queries finds the text of sql/<name>.sql in a package's files. A missing file is a programming error.
func Queries(files embed.FS) func(name string) string {
	return func(name string) string {
		text, err := files.ReadFile("sql/" + name + ".sql")
		if err != nil {
			panic(err)
		}
		return string(text)
	}
}

// sessionSettings make names and values read the same on every version and in every locale, keep user triggers and event
// triggers from firing for Gitover's own work, make reported work durable whatever the server's default is, turn off JIT,
// which takes longer than these queries, and bound how long anything may run or wait.
const sessionSettings = `
SET search_path = ''; SET standard_conforming_strings = on; SET default_transaction_read_only = off; SET synchronous_commit = on;
SELECT pg_catalog.set_config('session_replication_role', 'replica', false) WHERE pg_catalog.current_setting('is_superuser') = 'on';
SET client_min_messages = warning; SET jit = off;` + TextSettings + `;
SELECT pg_catalog.set_config('transaction_timeout', '0', false) WHERE pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL;
SET statement_timeout = '5min'; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '5min'`

// TextSettings make values read the same on every version and in every locale, and make all rows visible whatever
// policies say.
const TextSettings = `
SET row_security = off; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = postgres; SET TimeZone = 'UTC'; SET extra_float_digits = 1;
SET bytea_output = hex; SET xmloption = content; SET xmlbinary = base64; SET lc_monetary = 'C'; SET default_text_search_config = 'pg_catalog.simple'`

// WithSession runs do in a session of its own in database (the maintenance database if empty), or in one of those that
// ShareSessions keeps, reset to the same settings.
func WithSession(ctx context.Context, s Server, database string, do func(*pgx.Conn) error) error {
	conn, release, err := session(ctx, s, database)
	if err != nil {
		return err
	}
	defer release()
	return do(conn)
}

func newSession(ctx context.Context, s Server, database string) (*pgx.Conn, error) {
	conn, err := s.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, sessionSettings); err != nil {
		closeSession(conn)
		return nil, fmt.Errorf("settings of a session on %s: %w", s.Instance, err)
	}
	return conn, nil
}

// closeSession closes the session properly even when the caller's context has ended.
func closeSession(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// WithoutTimeout lifts the session's statement timeout, for work whose time grows with the
// data; the caller's context bounds it instead.
func WithoutTimeout(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SET statement_timeout = 0")
	return err
}

// Quietly keeps the statements of a session that carry secrets out of the server's log,
// pg_stat_statements and pg_stat_activity, also when they fail.
const Quietly = `
SET track_activities = off; SET log_statement = 'none'; SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1; SET log_min_duration_sample = -1; SET log_transaction_sample_rate = 0;
SET log_duration = off; SET pg_stat_statements.track_utility = off; SET pgaudit.log = 'none'`

// WithQuietSession is WithSession for statements that carry secrets: no server log, no
// statistics view and no error of ours repeats their text.
func WithQuietSession(ctx context.Context, s Server, database string, do func(*pgx.Conn) error) error {
	return WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, Quietly); err != nil {
			return fmt.Errorf("keep secrets out of the log of %s: %w", s.Instance, err)
		}
		return do(conn)
	})
}

// Scalar runs a query that yields one value.
func Scalar[T any](ctx context.Context, s Server, database, sql string, args ...any) (value T, err error) {
	err = WithSession(ctx, s, database, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, sql, args...).Scan(&value)
	})
	return value, err
}

// Collect reads every row of a query into values of T by column position.
func Collect[T any](ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]T, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

// CollectEach is Collect for several queries without parameters, each in a transaction of its own, in one round trip.
// After an error found has the rows of the queries before the one that failed.
func CollectEach[T any](ctx context.Context, conn *pgx.Conn, queries []string) (found [][]T, err error) {
	pipeline := conn.PgConn().StartPipeline(ctx)
	defer func() {
		if closed := pipeline.Close(); err == nil {
			err = closed
		}
	}()
	for _, sql := range queries {
		pipeline.SendQueryParams(sql, nil, nil, nil, nil)
		pipeline.SendPipelineSync()
	}
	if err := pipeline.Flush(); err != nil {
		return nil, err
	}
	for len(found) < len(queries) {
		results, err := pipeline.GetResults()
		if err != nil {
			return found, err
		}
		reader, ok := results.(*pgconn.ResultReader)
		if !ok {
			continue // the end of the previous query
		}
		rows, err := pgx.CollectRows(pgx.RowsFromResultReader(conn.TypeMap(), reader), pgx.RowToStructByPos[T])
		if err != nil {
			return found, err
		}
		found = append(found, rows)
	}
	return found, nil
}

// Asker is a session or a transaction.
type Asker interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Execer is a session or a transaction.
type Execer interface {
	Asker
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Column reads every row of a query that yields one value each.
func Column[T any](ctx context.Context, conn Asker, sql string, args ...any) ([]T, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

// WaitUntil checks condition again and again until it holds, fails, or ctx ends.
func WaitUntil(ctx context.Context, every time.Duration, condition func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if ok, err := condition(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Pause waits between two queries of a server.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Ident quotes a name, or a qualified one.
func Ident(parts ...string) string { return pgx.Identifier(parts).Sanitize() }

// Literal quotes a string constant; sessions have standard_conforming_strings on.
func Literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// VersionOf is the major version of a session's server.
func VersionOf(ctx context.Context, conn *pgx.Conn) (int, error) {
	var number int
	err := conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&number)
	return number / 10000, err
}

// FrozenAfter ends the transaction of a controller that is paused in the middle of it, so that the
// controller that took over gets its locks.
const FrozenAfter = "SET LOCAL idle_in_transaction_session_timeout = '10s'; SET LOCAL lock_timeout = '30s'"
