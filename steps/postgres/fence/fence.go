package fence

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

var (
	//go:embed sql/clear_sessions.sql
	clearSessionsSQL string
	//go:embed sql/logins_under_way.sql
	loginsUnderWaySQL string
	//go:embed sql/fences.sql
	fencesSQL string
	//go:embed sql/remember_limit.sql
	rememberLimitSQL string
	//go:embed sql/take_over.sql
	takeOverSQL string
)

// State says whether one database accepts applications.
type State struct {
	Database string
	// Limit in force: 0 when fenced.
	Limit int
	// Remembered is the limit that is restored when the fence is lifted; nil if there is none.
	Remembered *int
	// ConnectionsDisabled for superusers and workers, too: a switch is in progress, or not finished.
	ConnectionsDisabled bool
}

// Fenced says that applications are refused.
func (f State) Fenced() bool { return f.Limit == 0 && f.Remembered != nil }

// Fences reads the states of databases, in order of their names. Needs the register.
func (r *Register) Fences(ctx context.Context, databases []string) ([]State, error) {
	rows, err := r.conn.Query(ctx, fencesSQL, databases)
	if err != nil {
		return nil, r.failed("read fences", err)
	}
	states, err := pgx.CollectRows(rows, pgx.RowToStructByPos[State])
	return states, r.failed("read fences", err)
}

// RememberLimit records the connection limit that db gets back when this server's fence
// is lifted, and replaces the value that was recorded before. conn is a session in
// MaintenanceDatabase of a server that has the register.
func RememberLimit(ctx context.Context, conn *pgx.Conn, db string, limit int) error {
	if _, err := conn.Exec(ctx, rememberLimitSQL, db, limit); err != nil {
		return fmt.Errorf("remember the connection limit of %q: %w", db, err)
	}
	return nil
}

// FenceStandby fences a server that does not serve and is not part of a switch: a new
// instance, or one found open. New sessions are refused at once, existing ones are terminated.
// Never call it for the active instance.
func FenceStandby(ctx context.Context, s postgres.Server, databases []string) error {
	r, err := OpenRegister(ctx, s)
	if err != nil {
		return err
	}
	defer r.Close(context.WithoutCancel(ctx))
	if _, err := r.conn.Exec(ctx, "SELECT gitover.shut($1, false)", databases); err != nil {
		return r.failed("fence", err)
	}
	return r.failed("fence", r.terminateApplications(ctx, databases))
}

// terminateApplications ends the sessions that applications have behind the fence.
func (r *Register) terminateApplications(ctx context.Context, databases []string) error {
	sessions, err := postgres.ApplicationSessions(ctx, r.conn, databases)
	if err != nil {
		return err
	}
	for _, session := range sessions {
		if _, err := r.conn.Exec(ctx, "SELECT pg_terminate_backend($1)", session.PID); err != nil {
			return err
		}
	}
	return nil
}

// Ending says which sessions TerminateSessions ends now.
type Ending string

// Endings.
const (
	// EndNone waits for all.
	EndNone Ending = "none"
	// EndIdle ends those between two transactions.
	EndIdle Ending = "idle"
	// EndQuiet ends those that run no statement, also in a transaction.
	EndQuiet Ending = "quiet"
	// EndAll ends all.
	EndAll Ending = "all"
)

// TerminateSessions returns the sessions that are left behind the fence of an open switch, also
// superusers'; it terminates those that end says. logins are the processes that may have passed the fence
// before it took effect. The first call, with nil, finds them; each further call gets the result of
// the one before, since later logins are refused. No session is left when both results are empty.
func (r *Register) TerminateSessions(ctx context.Context, id string, end Ending, before []int) (left []postgres.Session, logins []int, err error) {
	if err := r.conn.QueryRow(ctx, loginsUnderWaySQL, before).Scan(&logins); err != nil {
		return nil, nil, r.failed("clear", err)
	}
	rows, err := r.conn.Query(ctx, clearSessionsSQL, id, string(end))
	if err != nil {
		return nil, nil, r.failed("clear", err)
	}
	left, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (postgres.Session, error) {
		var s postgres.Session
		var told bool
		err := row.Scan(append(s.Fields(), &told)...)
		return s, err
	})
	return left, logins, r.failed("clear", err)
}

// SwitchSession opens a session for a switch in database of s. nonce is the same for all
// sessions of one run of a switch: TakeOver uses it to distinguish them from those of an
// earlier run. Parallel workers are off: minor versions before February 2025 refuse them in a
// fenced database.
func SwitchSession(ctx context.Context, s postgres.Server, database, nonce string) (*pgx.Conn, error) {
	conn, err := s.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	_, err = conn.Exec(ctx, query("switch_session"), switchSessionName(nonce))
	if err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("prepare a session on %s: %w", s.Instance, err)
	}
	return conn, nil
}

// SwitchRegister is OpenRegister for a switch.
func SwitchRegister(ctx context.Context, s postgres.Server, nonce string) (*Register, error) {
	conn, err := SwitchSession(ctx, s, postgres.MaintenanceDatabase, nonce)
	if err != nil {
		return nil, err
	}
	return &Register{conn: conn, instance: s.Instance}, nil
}

func switchSessionName(nonce string) string { return "gitover switch " + nonce }

// TakeOver ends the sessions that other runs of a switch hold on this server and returns when
// they are gone, so that a controller that was paused can't change anything any more: a run
// opens its sessions only before it begins.
func (r *Register) TakeOver(ctx context.Context, nonce string) error {
	for {
		tag, err := r.conn.Exec(ctx, takeOverSQL, switchSessionName(nonce))
		if err != nil {
			return r.failed("take over", err)
		}
		if tag.RowsAffected() == 0 {
			return nil
		}
		if err := postgres.Pause(ctx, 5*time.Millisecond); err != nil {
			return r.failed("take over", err)
		}
	}
}
