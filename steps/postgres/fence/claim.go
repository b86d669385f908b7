package fence

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// ErrNotFresh: the server that should become green already holds tables.
var ErrNotFresh = errors.New("the instance is not fresh")

// Claimed says whether the given run has claimed this server as green. A claim of an earlier
// run doesn't count.
func Claimed(ctx context.Context, s postgres.Server, run string) (bool, error) {
	conn, err := s.Connect(ctx, postgres.MaintenanceDatabase)
	if postgres.DatabaseMissing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var claimed bool
	err = conn.QueryRow(ctx, `SELECT to_regclass('gitover.claim') IS NOT NULL`).Scan(&claimed)
	if err == nil && claimed {
		err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM gitover.claim WHERE run = $1)`, run).Scan(&claimed)
	}
	if err != nil {
		return false, fmt.Errorf("read the claim on %s: %w", s.Instance, err)
	}
	return claimed, nil
}

// Claim takes a fresh server as green: it fences every database that the image created, but those that the upgrade leaves out, creates Gitover's
// own database, and writes the run's name into it. A server with user tables is refused with ErrNotFresh,
// since an upgrade never overwrites data, and isn't fenced; databases that the upgrade leaves out may hold some, as an operator's do.
// A second call finishes what the first began.
func Claim(ctx context.Context, s postgres.Server, run string, leftOut []string) error {
	if err := refuseAnyTables(ctx, s, leftOut); err != nil {
		return err
	}
	if err := fenceFresh(ctx, s, leftOut); err != nil {
		return err
	}
	// tables that were created between the check and the fence
	if err := refuseAnyTables(ctx, s, leftOut); err != nil {
		return err
	}
	return writeClaim(ctx, s, run)
}

// ClaimSeeded takes a server as green that holds the physical copy which a run made. Its databases were closed before it started;
// remember is called before the claim is written, to keep the limits that they get back. A second call does nothing new.
func ClaimSeeded(ctx context.Context, s postgres.Server, run string, remember func(context.Context) error) error {
	if err := remember(ctx); err != nil {
		return err
	}
	return writeClaim(ctx, s, run)
}

// refuseAnyTables looks into every database but the maintenance one and those left out.
func refuseAnyTables(ctx context.Context, s postgres.Server, leftOut []string) error {
	var databases []string
	err := postgres.WithSession(ctx, s, "", func(conn *pgx.Conn) (err error) {
		databases, err = postgres.Column[string](ctx, conn, query("databases_to_claim"), postgres.MaintenanceDatabase, append([]string{}, leftOut...))
		return err
	})
	if err != nil {
		return fmt.Errorf("list databases of %s: %w", s.Instance, err)
	}
	for _, db := range databases {
		if err := refuseUserTables(ctx, s, db); err != nil {
			return err
		}
	}
	return nil
}

// fenceFresh closes every database but the maintenance ones and those left out, in one statement that does nothing on a server
// that has been claimed: a controller that was paused since then must not close a server that serves by now.
func fenceFresh(ctx context.Context, s postgres.Server, leftOut []string) error {
	err := postgres.WithSession(ctx, s, "", func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, query("leave_out"), append([]string{}, leftOut...)); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, fmt.Sprintf(query("fence_fresh"), postgres.Literal(postgres.MaintenanceDatabase), postgres.Literal(s.MaintenanceDatabase)))
		return err
	})
	if err != nil {
		return fmt.Errorf("fence %s: %w", s.Instance, err)
	}
	return nil
}

func refuseUserTables(ctx context.Context, s postgres.Server, db string) error {
	conn, err := s.Connect(ctx, db)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var tables int
	err = conn.QueryRow(ctx, `SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'gitover')
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`).Scan(&tables)
	if err != nil {
		return fmt.Errorf("look for tables in database %q of %s: %w", db, s.Instance, err)
	}
	if tables > 0 {
		return fmt.Errorf("%w: database %q of %s already holds %d tables, perhaps on a volume that an earlier instance left; delete that volume (PersistentVolumeClaim) so that the instance starts empty",
			ErrNotFresh, db, s.Instance, tables)
	}
	return nil
}

func writeClaim(ctx context.Context, s postgres.Server, run string) error {
	conn, err := s.Connect(ctx, "")
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{postgres.MaintenanceDatabase}.Sanitize()+" TEMPLATE template0")
	_ = conn.Close(context.WithoutCancel(ctx))
	if err != nil && !postgres.AlreadyExists(err) {
		return fmt.Errorf("make Gitover's database on %s: %w", s.Instance, err)
	}
	own, err := s.Connect(ctx, postgres.MaintenanceDatabase)
	if err != nil {
		return err
	}
	defer func() { _ = own.Close(context.WithoutCancel(ctx)) }()
	err = pgx.BeginFunc(ctx, own, func(tx pgx.Tx) error {
		for _, statement := range []string{
			`CREATE SCHEMA IF NOT EXISTS gitover`,
			`CREATE TABLE IF NOT EXISTS gitover.claim (run text PRIMARY KEY, claimed_at timestamptz NOT NULL DEFAULT now())`,
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `INSERT INTO gitover.claim (run) VALUES ($1) ON CONFLICT DO NOTHING`, run)
		return err
	})
	if err != nil {
		return fmt.Errorf("claim %s: %w", s.Instance, err)
	}
	return nil
}
