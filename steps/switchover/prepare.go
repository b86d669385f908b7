package switchover

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// prepareTimeout bounds everything before the hold; creating a slot waits for the
// transactions that run on the new side.
const prepareTimeout = 2 * time.Minute

// run is one attempt at a switch: it opens its sessions only before it begins, so that a later
// attempt can end them all.
type run struct {
	in       Input
	nonce    string
	from, to *fence.Register
	// guardian is the old side's session that aborts the switch if this controller dies; nil where agents do.
	guardian *fence.Register
	// watcher is a second session on the old side, for queries during the fence.
	watcher   *pgx.Conn
	databases []*databaseSession
	result    Result
	// carried is what was copied ahead of each database and isn't replicated; empty if a
	// switch copies nothing.
	carried map[string]*transfer.Carried
	// workersPass: the fence may be set before the last query has ended.
	workersPass bool
	// wrongMoment: the attempt was given up since its hold would have been, or was, too long.
	wrongMoment bool
	// decideSent: 'commit' may have reached the register.
	decideSent bool
	// keyHash is the hash of the key to the new side, which the old side returns with 'commit'.
	keyHash string
	key     postgres.Password
}

// prepare does everything that is possible before traffic is held. After an error nothing needs
// to be undone: the next attempt finds what it made, or an undone attempt drops it.
func prepare(ctx context.Context, in Input) (_ *run, err error) {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	begun := time.Now()
	r := &run{in: in, nonce: rand.Text()[:16], result: Result{ID: in.ID, Markers: map[string]int64{}}}
	defer func() {
		if err != nil {
			r.dropRollbackPath()
			r.close()
		}
	}()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	for _, register := range []*fence.Register{r.from, r.to} {
		if err := register.TakeOver(ctx, r.nonce); err != nil {
			return nil, err
		}
	}
	// after earlier runs have ended: an undone run drops the slots
	in.trace(PointRollbackPath)
	if err := in.traced(PointRollbackPath, prepareRollbackPath(ctx, in)); err != nil {
		return nil, fmt.Errorf("prepare the rollback path: %w", err)
	}
	in.trace(PointBegin)
	decision, err := r.from.Begin(ctx, in.row())
	if err := in.traced(PointBegin, err); err != nil {
		return nil, err
	}
	if decision != fence.Open {
		return nil, fmt.Errorf("switch %s is decided already: %s", in.ID, decision)
	}
	if r.keyHash, err = r.from.KeyHash(ctx, in.ID); err != nil {
		return nil, r.undo(err)
	}
	in.trace(PointStage)
	if err := in.traced(PointStage, r.stage(ctx)); err != nil {
		return nil, r.undo(err)
	}
	r.result.Parts.Prepare = time.Since(begun)
	return r, nil
}

// stage copies ahead what it can, and announces the switch to the poolers.
func (r *run) stage(ctx context.Context) error {
	if err := r.ahead(ctx); err != nil {
		return err
	}
	request := protocol.StageRequest{SwitchID: r.in.ID, From: protocol.TargetOf(r.in.From, r.in.Databases), To: protocol.TargetOf(r.in.To, r.in.Databases)}
	return eachPooler(ctx, r.in.Poolers, func(ctx context.Context, p Pooler) error { return p.Stage(ctx, request) })
}

// prepareRollbackPath makes publication, slot, marker table and, disabled, the subscription for the reverse
// direction, before the new side's first write. An existing slot or subscription of that name is of a failed
// attempt.
func prepareRollbackPath(ctx context.Context, in Input) error {
	ctx, end := postgres.ShareSessions(ctx)
	defer end() // before anything is held
	return eachDatabase(ctx, in.Databases, func(ctx context.Context, db string) error {
		slot := in.Names.Slot(db, in.From.Instance)
		for _, step := range []func() error{
			func() error {
				return replication.DropSubscription(ctx, in.From, db, in.Names.Subscription(db, in.From.Instance))
			},
			func() error { return replication.DropSlot(ctx, in.To, slot) },
			func() error { return replication.EnsureMarker(ctx, in.To, db) },
			func() error { return replication.CreatePublication(ctx, in.To, db, in.Names) },
			func() error { return replication.CreateSlot(ctx, in.To, db, in.Names, in.From.Instance) },
			// made now, so that an old side that can't reach the new side is found before the commit point
			func() error {
				return replication.PrepareSubscription(ctx, in.From, replication.SubscribeOptions{Publisher: in.To, Database: db, Names: in.Names})
			},
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	})
}

// open all sessions that the stall needs.
func (r *run) open(ctx context.Context) (err error) {
	if r.from, err = fence.SwitchRegister(ctx, r.in.From, r.nonce); err != nil {
		return err
	}
	if r.workersPass, err = r.from.WorkersPassFence(ctx); err != nil {
		return err
	}
	if r.to, err = fence.SwitchRegister(ctx, r.in.To, r.nonce); err != nil {
		return err
	}
	if r.watcher, err = fence.SwitchSession(ctx, r.in.From, "", r.nonce); err != nil {
		return err
	}
	if r.in.Alone {
		if r.guardian, err = fence.SwitchRegister(ctx, r.in.From, r.nonce); err != nil {
			return err
		}
	}
	for _, db := range r.in.Databases {
		r.databases = append(r.databases, &databaseSession{database: db, shared: len(r.in.Databases) > sharedAbove})
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range r.databases {
		group.Go(func() error { return l.open(ctx, r.in, r.nonce) })
	}
	return group.Wait()
}

// ahead copies sequences and connection limits once, and warms up every statement of the
// stall.
func (r *run) ahead(ctx context.Context) error {
	limits, err := r.from.Fences(ctx, r.in.Databases)
	if err != nil {
		return err
	}
	for _, f := range limits {
		if err := fence.RememberLimit(ctx, r.to.Conn(), f.Database, f.Limit); err != nil {
			return err
		}
	}
	for _, register := range []*fence.Register{r.from, r.to} {
		if err := register.Warm(ctx); err != nil {
			return err
		}
	}
	if _, err := postgres.PreparedTransactions(ctx, r.watcher, r.in.Databases); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range r.databases {
		group.Go(func() error { return l.warm(ctx, r.in.From.Instance) })
	}
	return group.Wait()
}

// close the sessions.
func (r *run) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for _, register := range []*fence.Register{r.from, r.to, r.guardian} {
		if register != nil {
			register.Close(ctx)
		}
	}
	if r.watcher != nil {
		_ = r.watcher.Close(ctx)
	}
	for _, l := range r.databases {
		for _, conn := range l.conns {
			_ = conn.Close(ctx)
		}
	}
}

// eachPooler does the same at all poolers at once.
func eachPooler(ctx context.Context, poolers []Pooler, do func(context.Context, Pooler) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range poolers {
		group.Go(func() error { return do(ctx, p) })
	}
	return group.Wait()
}

// eachDatabase does the same in all databases at once, a few at a time.
func eachDatabase(ctx context.Context, databases []string, do func(context.Context, string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for _, db := range databases {
		group.Go(func() error { return do(ctx, db) })
	}
	return group.Wait()
}

// joined is errors.Join that returns a single error unchanged.
func joined(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}
