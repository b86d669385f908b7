package pg

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Program prepares a client program of a major version (psql, pg_dump, pgbench, or a script
// by "sh", "-c", …) with env beside PATH, HOME and TMPDIR. It runs unprivileged in the
// version's root file system with an empty, writable /tmp; nothing else is writable.
func Program(ctx context.Context, t testing.TB, major int, env []string, args ...string) *exec.Cmd {
	t.Helper()
	full := append([]string{"/usr/bin/env"}, args...)
	return command(ctx, Rootfs(t, major), major, t.TempDir(), "KILL", env, full...)
}

// Output runs a client program and returns what it wrote; it fails the test when the
// program fails.
func Output(t testing.TB, major int, stdin io.Reader, env []string, args ...string) string {
	t.Helper()
	cmd := Program(t.Context(), t, major, env, args...)
	cmd.Stdin = stdin
	return run(t, cmd, fmt.Sprintf("%v of PostgreSQL %d", args[0], major))
}

// run a program, which must end well, and return what it wrote.
func run(t testing.TB, cmd *exec.Cmd, name string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out.String(), errs.String())
	}
	return out.String()
}

// Environ are libpq's variables that lead a client program to database on s.
func Environ(s postgres.Server, database string) []string {
	return []string{
		"PGHOST=" + s.Host, fmt.Sprintf("PGPORT=%d", s.Port), "PGUSER=" + s.User,
		"PGPASSWORD=" + string(s.Password), "PGDATABASE=" + database,
	}
}

// Exec runs statements in database (the maintenance database if empty) and fails the test on error.
func (s *Server) Exec(database, statements string) {
	s.t.Helper()
	s.with(database, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statements)
		return err
	}, statements)
}

// Query returns the first column of the last statement's first row as text; "" for NULL or
// no row.
func (s *Server) Query(database, query string) string {
	s.t.Helper()
	var text string
	s.with(database, func(ctx context.Context, conn *pgx.Conn) error {
		results, err := conn.PgConn().Exec(ctx, query).ReadAll()
		if err == nil && len(results) > 0 {
			if rows := results[len(results)-1].Rows; len(rows) > 0 {
				text = string(rows[0][0])
			}
		}
		return err
	}, query)
	return text
}

func (s *Server) with(database string, do func(context.Context, *pgx.Conn) error, what string) {
	s.t.Helper()
	ctx := context.Background()
	conn, err := s.Connect(ctx, database)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := do(ctx, conn); err != nil {
		s.t.Fatalf("%s on %s: %v", what, s.Instance, err)
	}
}
