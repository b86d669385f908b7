package fence

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Decision is what the register says about a switch.
type Decision string

// Decisions.
const (
	// NeverBegan: the register has no row for the switch.
	NeverBegan Decision = ""
	// Open: undecided.
	Open Decision = "open"
	// Abort: the old side still serves; its fence is lifted.
	Abort Decision = "abort"
	// Commit: the new side serves; the old side stays fenced.
	Commit Decision = "commit"
)

// Verdict is the decision about a switch. If it is Commit, it has the key to the new side: a
// secret that no client can read before.
type Verdict struct {
	Decision Decision
	Key      postgres.Password
}

// SwitchRow identifies a switch in the register of the server that it leaves.
type SwitchRow struct {
	ID        string
	From, To  string
	Databases []string
}

// IncomingSwitch is what the new side's register says about a switch that leads to it.
type IncomingSwitch struct {
	// State is "" (not ready), "ready", "opened" or "closed".
	State string
	// Position is the WAL position at which the new side had applied everything and had
	// written nothing of its own.
	Position string
	// Left: a later switch away from this server has begun and was not aborted.
	Left bool
}

// Register is a session in a server's decision register. Every method is one statement:
// a caller that dies leaves no transaction open. Not for concurrent use.
type Register struct {
	conn     *pgx.Conn
	instance string
}

//go:embed sql/incoming_switch.sql
var incomingSwitchSQL string

// The queries of a stall, which Warm prepares before it in the same wording.
const (
	commitSQL = "SELECT d, gitover.key($1) FROM gitover.commit($1, $2, $3) AS d"
	readySQL  = "SELECT gitover.ready($1, $2, $3, $4)"
	openSQL   = "SELECT gitover.open($1, $2, $3)"
)

// OpenRegister opens a session in the register of s, which may be an agent's server
// value: its role can do Abort, Unfence and State.
func OpenRegister(ctx context.Context, s postgres.Server) (*Register, error) {
	conn, err := s.Connect(ctx, postgres.MaintenanceDatabase)
	if err != nil {
		return nil, err
	}
	return &Register{conn: conn, instance: s.Instance}, nil
}

// ParallelWorkers is the query for a minor version that refuses them behind a fence.
var ParallelWorkers = query("parallel_workers")

// WorkersPassFence says whether a query that runs while its database is fenced still gets parallel workers. Minor
// versions before February 2025 refuse them, and the client's query fails. Reads only.
func (r *Register) WorkersPassFence(ctx context.Context) (pass bool, err error) {
	err = r.conn.QueryRow(ctx, "SELECT NOT EXISTS ("+ParallelWorkers+")").Scan(&pass)
	return pass, r.failed("read the version", err)
}

// Close ends the session.
func (r *Register) Close(ctx context.Context) { _ = r.conn.Close(ctx) }

// Conn is the session itself, for the other queries of this package.
func (r *Register) Conn() *pgx.Conn { return r.conn }

// Begin opens the row of a switch, or finds it, and returns the decision. Another undecided
// switch of this server is an error that InUse recognizes.
func (r *Register) Begin(ctx context.Context, row SwitchRow) (Decision, error) {
	return r.decision(ctx, "begin switch", "SELECT gitover.begin($1, $2, $3, $4)", row.ID, row.From, row.To, row.Databases)
}

// Fence refuses new application sessions on the old side if the switch is open, and returns
// the decision: any other than Open means that nothing was done.
func (r *Register) Fence(ctx context.Context, id string) (Decision, error) {
	return r.decision(ctx, "fence", "SELECT gitover.fence($1)", id)
}

// Commit decides that the switch goes forward, unless it was decided already. The returned decision is final. It is
// an error if the old side still allows connections. It stores the markers, by database, that were written behind
// the fence.
func (r *Register) Commit(ctx context.Context, id, who string, markers map[string]int64) (Verdict, error) {
	return r.verdict(ctx, "commit switch", commitSQL, id, who, markers)
}

// Markers are those that Commit stored: a new side that has them has everything that the old one wrote.
func (r *Register) Markers(ctx context.Context, id string) (markers map[string]int64, err error) {
	err = r.conn.QueryRow(ctx, "SELECT coalesce(markers, '{}') FROM gitover.switches WHERE id = $1", id).Scan(&markers)
	return markers, r.failed("read markers", err)
}

// Abort decides that the switch does not happen, and lifts the old side's fence in the
// same transaction, unless it was decided already. The returned decision is final.
func (r *Register) Abort(ctx context.Context, id, who string) (Verdict, error) {
	return r.verdict(ctx, "abort switch", "SELECT d, gitover.key($1) FROM gitover.abort($1, $2) AS d", id, who)
}

// AbortAlone returns when a switch is decided, and aborts it once the session of controller is gone, or after a time. The
// server does so also if this session is gone, too.
func (r *Register) AbortAlone(ctx context.Context, id string, controller *Register, after time.Duration) error {
	_, err := r.conn.Exec(ctx, "SELECT gitover.abort_alone($1, $2, $3, $4)", id, "the server itself, without its controller",
		int32(controller.conn.PgConn().PID()), after.Seconds()) //nolint:gosec // a process id
	return r.failed("watch over a switch", err)
}

// State reads the decision.
func (r *Register) State(ctx context.Context, id string) (Verdict, error) {
	return r.verdict(ctx, "read switch", "SELECT d, gitover.key($1) FROM gitover.state($1) AS d", id)
}

// KeyHash is the hash of the key of a switch that has begun; Ready stores it on the new side.
func (r *Register) KeyHash(ctx context.Context, id string) (hash string, err error) {
	err = r.conn.QueryRow(ctx, "SELECT gitover.key_hash($1)", id).Scan(&hash)
	return hash, r.failed("read the hash of a key", err)
}

// AllowReplication lets replication workers connect to a side that a switch left for good. Superusers
// may connect as well, but their transactions are read-only by default from then on; writable names
// databases that must stay as they are. It does nothing while another switch away from this server is
// undecided, or if connections are allowed already. A second call finds the first one's work.
func (r *Register) AllowReplication(ctx context.Context, id string, writable []string) error {
	if writable == nil {
		writable = []string{}
	}
	_, err := r.conn.Exec(ctx, "SELECT gitover.admit($1, $2)", id, writable)
	return r.failed("admit replication", err)
}

// Undecided lists the switches away from this server that are open.
func (r *Register) Undecided(ctx context.Context) ([]string, error) {
	ids, err := postgres.Column[string](ctx, r.conn, "SELECT id FROM gitover.switches WHERE state = 'open' ORDER BY opened_at")
	return ids, r.failed("list switches", err)
}

// Ready records, durably, that the new side has applied everything, and returns its current
// WAL position; keyHash is the old side's KeyHash. A second call returns the first one's
// position.
func (r *Register) Ready(ctx context.Context, row SwitchRow, keyHash string) (position string, err error) {
	err = r.conn.QueryRow(ctx, readySQL, row.ID, row.From, row.To, keyHash).Scan(&position)
	return position, r.failed("make ready", err)
}

// Unfence lifts the fence of the new side, once for each switch. key is the one that the old
// side returned with Commit. It returns the state of the incoming switch: "opened", or the
// state that it stays in, such as "ready" with a wrong key.
func (r *Register) Unfence(ctx context.Context, id, who string, key postgres.Password) (string, error) {
	var state *string
	err := r.conn.QueryRow(ctx, openSQL, id, who, string(key)).Scan(&state)
	if state == nil {
		return "", r.failed("open", err)
	}
	return *state, r.failed("open", err)
}

// UnfenceWithoutKey is Unfence for the case that the old side is lost for good, and the key with it. It needs
// a superuser and a human's decision in Git: the register's decision can't be read any more.
func (r *Register) UnfenceWithoutKey(ctx context.Context, id, who string) (string, error) {
	var state *string
	err := r.conn.QueryRow(ctx, "SELECT gitover.open_without_key($1, $2)", id, who).Scan(&state)
	if state == nil {
		return "", r.failed("open without a key", err)
	}
	return *state, r.failed("open without a key", err)
}

// IncomingSwitch reads what the new side's register says about a switch.
func (r *Register) IncomingSwitch(ctx context.Context, id string) (IncomingSwitch, error) {
	var e IncomingSwitch
	err := r.conn.QueryRow(ctx, incomingSwitchSQL, id).Scan(&e.State, &e.Position, &e.Left)
	if errors.Is(err, pgx.ErrNoRows) {
		return IncomingSwitch{}, nil
	}
	return e, r.failed("read incoming switch", err)
}

// DropUnreadSlots drops the slots of a rollback path that was prepared for an undone switch to this
// server. It keeps slots that have a reader, and all slots while this server serves databases or another
// switch leads here. It waits up to two seconds for a session that was canceled while it made a slot.
func (r *Register) DropUnreadSlots(ctx context.Context, id string, slots, databases []string) error {
	ctx, cancel := context.WithTimeout(ctx, canceledEnd)
	defer cancel()
	err := postgres.WaitUntil(ctx, 20*time.Millisecond, func() (bool, error) {
		var held bool
		err := r.conn.QueryRow(ctx, query("drop_unread_slots"), slots, id, databases).Scan(&held, nil)
		if postgres.InUse(err) { // since it was looked at
			return false, nil
		}
		return !held, err
	})
	return r.failed("drop the slots of an undone switch", err)
}

// canceledEnd is how long a canceled session gets to let go of a slot.
const canceledEnd = 2 * time.Second

// Warm makes the server parse and plan the queries of a stall, by calls that name no switch
// and so do nothing.
func (r *Register) Warm(ctx context.Context) error {
	for query, args := range map[string][]any{
		"SELECT gitover.shut($1, true)": {[]string{}},
		"SELECT gitover.fence($1)":      {""},
		commitSQL:                       {"", "", map[string]int64{}},
		readySQL:                        {"", "", "", ""},
		openSQL:                         {"", "", ""},
	} {
		if _, err := r.conn.Exec(ctx, query, args...); err != nil {
			return r.failed("warm up", err)
		}
	}
	_, _, err := r.TerminateSessions(ctx, "", EndAll, nil)
	return err
}

func (r *Register) verdict(ctx context.Context, what, query string, args ...any) (Verdict, error) {
	var state, key *string
	if err := r.conn.QueryRow(ctx, query, args...).Scan(&state, &key); err != nil {
		return Verdict{}, r.failed(what, err)
	}
	var v Verdict
	if state != nil {
		v.Decision = Decision(*state)
	}
	// The state may have been read just before another client's commit, the key just after it.
	if key != nil && v.Decision == Commit {
		v.Key = postgres.Password(*key)
	}
	return v, nil
}

func (r *Register) decision(ctx context.Context, what, query string, args ...any) (Decision, error) {
	var state *string
	if err := r.conn.QueryRow(ctx, query, args...).Scan(&state); err != nil {
		return NeverBegan, r.failed(what, err)
	}
	if state == nil {
		return NeverBegan, nil
	}
	return Decision(*state), nil
}

func (r *Register) failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s in the register of %s: %w", what, r.instance, err)
}
