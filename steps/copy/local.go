package copy

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// BuiltSQL finds what a copy has built by itself, which the second half of a schema leaves out.
//
//go:embed built.sql
var BuiltSQL string

// Local is a half of a schema that programs of this machine move.
type Local struct {
	Phase                    Phase
	From, To                 postgres.Server
	FromDatabase, ToDatabase string
	// LeaveOut is a query like IdentitySQL's: what the first half takes in, and the second one leaves out. Empty for nothing.
	LeaveOut string
}

// Run does what a Job does, by sh, psql, pg_dump and pg_restore of PATH, which must be as new as the newer server. A second run finds the first one's
// work. Passwords are in variables of these programs, never in arguments.
func (l Local) Run(ctx context.Context) error {
	for _, program := range []string{"sh", "psql", "pg_dump", "pg_restore"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("the schema needs %s in PATH, of the newer server's version", program)
		}
	}
	dir, err := os.MkdirTemp("", "gitover-schema-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := Request{Phase: l.Phase, UpgradeUID: l.From.Address() + "/" + l.FromDatabase, Blue: side(l.From), Green: side(l.To)}
	cmd := exec.CommandContext(ctx, "sh", "-c", Script) //nolint:gosec // the script is part of this program
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"), "LANG=C.UTF-8")
	for _, v := range environment(r) {
		cmd.Env = append(cmd.Env, v.Name+"="+v.Value)
	}
	// the last of a name counts
	cmd.Env = append(cmd.Env, "HOME="+dir, "TMPDIR="+dir, "GITOVER_IDENTITY_SQL="+l.LeaveOut, "BLUE_PGDATABASE="+l.FromDatabase, "GREEN_PGDATABASE="+l.ToDatabase,
		"BLUE_PGPASSWORD="+string(l.From.Password), "GREEN_PGPASSWORD="+string(l.To.Password))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%s of the schema: %s", l.Phase, lastLine(said.String()))
	}
	return nil
}

func side(s postgres.Server) Side {
	return Side{Host: s.Host, Port: s.Port, User: s.User, SSLMode: s.SSLMode, CA: s.CA}
}

// lastLine of what programs said, which is the reason.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// Forget what Run noted on the target, once both halves are there.
func Forget(ctx context.Context, to postgres.Server, database string) error {
	err := postgres.WithSession(ctx, to, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "DROP VIEW IF EXISTS gitover.pre_data, gitover.post_data")
		return err
	})
	if err != nil {
		return fmt.Errorf("end the schema: %w", err)
	}
	return nil
}
