package fence

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

//go:embed sql/register.sql
var registerSQL string

// RegisterLock prevents two controllers from creating the register at once.
const RegisterLock = 0x6769746f766572

// EnsureRegister makes the decision register of a server: Gitover's own database, which
// applications may not connect to, its tables and functions, and the role agentRole,
// which may log in and call four of the functions (abort, open, state, key) and nothing else.
// The password is stored as a SCRAM verifier computed here, so the server never sees it.
// A second call repairs what is missing and sets the password only if it differs.
func EnsureRegister(ctx context.Context, s postgres.Server, agentRole string, agentPassword postgres.Password) error {
	if err := ensureRegisterDatabase(ctx, s); err != nil {
		return err
	}
	conn, err := s.Connect(ctx, postgres.MaintenanceDatabase)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// Before the transaction: PostgreSQL decides at its begin whether the log samples it.
	if _, err := conn.Exec(ctx, postgres.Quietly); err != nil {
		return fmt.Errorf("keep secrets out of the log of %s: %w", s.Instance, err)
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", RegisterLock); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, registerSQL); err != nil {
			return err
		}
		return ensureAgentRole(ctx, tx, agentRole, agentPassword)
	})
	if err != nil {
		return fmt.Errorf("create the decision register on %s: %w", s.Instance, err)
	}
	return nil
}

func ensureRegisterDatabase(ctx context.Context, s postgres.Server) error {
	conn, err := s.Connect(ctx, "")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	name := pgx.Identifier{postgres.MaintenanceDatabase}.Sanitize()
	var found bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", postgres.MaintenanceDatabase).Scan(&found)
	if err == nil && !found {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0")
		if postgres.AlreadyExists(err) {
			err = nil
		}
	}
	if err == nil {
		_, err = conn.Exec(ctx, "REVOKE ALL ON DATABASE "+name+" FROM PUBLIC")
	}
	if err != nil {
		return fmt.Errorf("create database %q on %s: %w", postgres.MaintenanceDatabase, s.Instance, err)
	}
	return nil
}

// ensureAgentRole creates the agents' role, and revokes rights that it should not have.
func ensureAgentRole(ctx context.Context, tx pgx.Tx, role string, password postgres.Password) error {
	name := pgx.Identifier{role}.Sanitize()
	var stored *string
	err := tx.QueryRow(ctx, "SELECT rolpassword FROM pg_authid WHERE rolname = $1", role).Scan(&stored)
	statements := []string{}
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		statements = append(statements, "CREATE ROLE "+name)
	case err != nil:
		return err
	}
	verifier, err := postgres.ScramVerifier(password, "gitover register salt")
	if err != nil {
		return err
	}
	if stored == nil || *stored != verifier {
		statements = append(statements, "ALTER ROLE "+name+" PASSWORD '"+verifier+"'")
	}
	statements = append(statements,
		"ALTER ROLE "+name+" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS",
		"GRANT CONNECT ON DATABASE "+pgx.Identifier{postgres.MaintenanceDatabase}.Sanitize()+" TO "+name,
		"GRANT USAGE ON SCHEMA gitover TO "+name,
		"GRANT EXECUTE ON FUNCTION gitover.abort(text, text), gitover.open(text, text, text), gitover.state(text), gitover.key(text) TO "+name)
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
