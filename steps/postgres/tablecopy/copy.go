package tablecopy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/postgres"
)

// Options of a copy.
type Options struct {
	// From is the source, To the target, each with the database.
	From, To                 postgres.Server
	FromDatabase, ToDatabase string
	// Tables to copy, as patterns "schema.table" with * and ?; all if empty.
	Tables []string
	// Jobs is how many workers there are. Each has up to one session on each side; two more are used on each side, and up to four on the target while
	// statistics are completed at the end.
	Jobs int
	// Slot is a logical replication slot on the source, which is made if it isn't there; empty for none.
	Slot string
	// BytesPerSecond that are sent at most; 0 for no limit.
	BytesPerSecond int64
	// CommitLatency that a commit on the source may take before the copy reads less; 0: that isn't measured.
	CommitLatency time.Duration
	// PartBytes is the least size of a part of a table; 0 for the default.
	PartBytes int64
	// Indexes builds indexes, constraints and foreign keys, and collects statistics, as tables are copied. Without it tables are only filled.
	Indexes bool
	// MaintenanceMemory in bytes for building an index, of which there may be as many as Jobs; 0 for a share of the target's shared buffers.
	MaintenanceMemory int64
	// Progress, if not nil, hears of the progress so often, each second if that is zero, and at the end.
	Progress func(Progress)
	Every    time.Duration
	// Explain, if not nil, hears how each table travels, and why, before the first one does.
	Explain func(lines []string)
	// Publication of the source whose tables are copied; all if empty. Of others only the indexes are built.
	Publication string
	// Supervised by a controller: progress and pace pass through the target's record, another run of the same copy is awaited, and a slot that isn't there
	// ends the copy, since the controller makes and drops it.
	Supervised bool
}

// Report of a copy that has ended well.
type Report struct {
	Progress
	// Seconds that this run took.
	Seconds float64 `json:"seconds"`
	// Text is the number of tables whose rows traveled as text.
	Text int `json:"text"`
	// Unvalidated foreign keys, as statements for the target: tables of several moments fit each other only once a subscription has caught up.
	Unvalidated []string `json:"unvalidated,omitempty"`
	// Positions in the source's WAL from which changes are to be applied, each with its number of tables; empty without a slot.
	Positions map[string]int `json:"positions,omitempty"`
}

// copier is one run.
type copier struct {
	Options
	encoding string
	version  int
	tables   []table
	ledger   *ledger
	moments  *moments
	progress *gauge
	pace     *pacer
	latency  considerate
	stop     context.CancelCauseFunc
	queue    *queue
	builder  *builder
	// measureAt is when the disks are looked at next.
	measureAt time.Time
	// before are tables that an earlier run has copied.
	before []part

	mu     sync.Mutex
	sliced map[uint32]*slicedTable
	// put off: batches that the target refused, each with what it said; they may depend on rows of others.
	putOff []refusedBatch
}

type refusedBatch struct {
	batch []part
	err   error
}

// Copy the rows of all tables that the options choose. What an earlier run has copied and recorded isn't copied again, if its moment still
// suits. ErrMomentLost, a table with rows of others, and whatever a server refuses for good end it; a restart of a server doesn't.
func Copy(ctx context.Context, o Options) (Report, error) {
	if o.PartBytes == 0 {
		o.PartBytes = defaultPartBytes
	}
	c := &copier{Options: o, progress: newGauge(), queue: newQueue(), sliced: map[uint32]*slicedTable{}, pace: newPacer(o.BytesPerSecond), latency: considerate{most: o.CommitLatency}}
	begun := time.Now()
	ctx, c.stop = context.WithCancelCause(ctx)
	defer c.stop(nil)
	ctx, endSessions := postgres.ShareSessions(ctx)
	defer endSessions()
	if err := c.openPatiently(ctx); err != nil {
		return Report{}, err
	}
	defer c.ledger.close(ctx)
	defer c.moments.close(ctx)
	work, err := c.resume(ctx)
	if err != nil {
		return Report{}, err
	}
	if o.Indexes {
		if err := c.openBuilder(ctx); err != nil {
			return Report{}, err
		}
	}
	if err := c.run(ctx, work); err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, errSlotGone) {
			err = cause
		}
		return Report{}, err
	}
	report, err := c.finish(ctx)
	report.Seconds = time.Since(begun).Seconds()
	return report, err
}

// openPatiently waits, if the copy is supervised, until both servers can be reached.
func (c *copier) openPatiently(ctx context.Context) error {
	for begun := time.Now(); ; {
		err := c.open(ctx)
		if err == nil || !c.Supervised || !passing(err) || time.Since(begun) > patience {
			return err
		}
		if err := postgres.Pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// finish makes what is copied durable, and reports.
func (c *copier) finish(ctx context.Context) (Report, error) {
	r := Report{Progress: c.progress.progress(), Positions: map[string]int{}}
	if c.builder != nil {
		r.Unvalidated = c.builder.unvalidated
	}
	for _, t := range c.tables {
		if t.Text != "" {
			r.Text++
		}
	}
	err := postgres.WithSession(ctx, c.To, c.ToDatabase, func(conn *connection) error {
		if c.Slot == "" {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return dropLedger(ctx, tx) })
		}
		if _, err := conn.Exec(ctx, "UPDATE gitover.copy_run SET finished = now()"); err != nil {
			return err
		}
		found, err := postgres.Collect[struct {
			Moment string
			Tables int
		}](ctx, conn, "SELECT moment, count(DISTINCT relation)::int FROM gitover.copy_part WHERE done GROUP BY 1")
		for _, f := range found {
			r.Positions[f.Moment] = f.Tables
		}
		return err
	})
	if err != nil {
		return r, fmt.Errorf("end the copy: %w", err)
	}
	return r, nil
}
