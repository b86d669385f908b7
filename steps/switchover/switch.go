package switchover

import (
	"context"
	"time"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// undoTimeout bounds the undoing of a switch after the caller's context has ended.
const undoTimeout = 8 * time.Second

// Switch moves traffic from in.From to in.To, in the order that this package's
// documentation describes. It returns
//   - nil: complete;
//   - *WaitingError: nothing was done, since there are obstacles;
//   - *AbortedError: undone, traffic is on the old side;
//   - *UndecidedError: the decision could not be read; call Recover until it is known;
//   - *UnfinishedError: traffic is on the new side for good; call Recover until the rest is done;
//   - anything else: nothing was held and nothing moved.
//
// The end of ctx undoes a switch that is not decided; it doesn't stop one that is.
func Switch(ctx context.Context, in Input) (Result, error) {
	in.Limits = in.Limits.withDefaults()
	if err := AbortOrphanedSwitches(ctx, in); err != nil {
		return Result{ID: in.ID}, err
	}
	obstacles, err := Guard(ctx, in)
	if err != nil {
		return Result{ID: in.ID}, err
	}
	if len(obstacles) > 0 {
		return Result{ID: in.ID}, &WaitingError{Obstacles: obstacles}
	}
	if err := refreshViews(ctx, in); err != nil {
		return Result{ID: in.ID}, err
	}
	carried, err := carryAhead(ctx, in)
	if err != nil {
		return Result{ID: in.ID}, err
	}
	r, err := prepare(ctx, in)
	if err != nil {
		return Result{ID: in.ID}, err
	}
	r.carried = carried
	defer r.close()
	if err := r.lateDDL(ctx); err != nil {
		return r.result, r.undo(err)
	}
	if err := r.moveSubscriptions(ctx); err != nil {
		return r.result, r.undo(err)
	}
	if err := r.awaitMoment(ctx); err != nil {
		return r.result, r.undo(err)
	}
	if err := in.report(protocol.PhaseHoldBegins); err != nil {
		return r.result, r.undo(err)
	}
	if err := r.terminateLong(ctx); err != nil {
		return r.result, r.undo(err)
	}
	if err := r.awaitInstant(ctx); err != nil {
		return r.result, r.undo(err)
	}
	if err := r.criticalSection(ctx); err != nil {
		return r.result, r.resolve(err)
	}
	return r.finish(context.WithoutCancel(ctx))
}

// lateDDL finds DDL since the guard: the preparation may wait for minutes for transactions on
// the new side, and DDL isn't replicated.
func (r *run) lateDDL(ctx context.Context) error {
	ctx, end := postgres.ShareSessions(ctx)
	defer end() // before anything is held
	var late []Obstacle
	for _, look := range []func(context.Context, Input) ([]Obstacle, error){guardSchema, guardRoles, guardIdentity} {
		found, err := look(ctx, r.in)
		if err != nil {
			return err
		}
		late = append(late, found...)
	}
	for _, db := range r.in.Databases {
		left, err := replication.UnreplicatedTables(ctx, r.in.From, r.in.To, db, r.in.Names)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			late = append(late, obstacle(NotReplicating, "database %q: %s", db, replication.DescribeUnreplicated(left, r.in.To.Instance)))
		}
	}
	if len(late) > 0 {
		return &WaitingError{Obstacles: late}
	}
	for _, l := range r.databases { // a sequence that was created on both sides isn't among those that were read
		if err := l.sameSchema(ctx, r.in.From.Instance); err != nil {
			return err
		}
	}
	return nil
}

// finish completes a decided switch.
func (r *run) finish(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	if err := r.in.report(protocol.PhaseFinishing); err != nil {
		return r.result, &UnfinishedError{Why: err}
	}
	r.in.trace(PointFinish)
	begun := time.Now()
	if err := r.in.traced(PointFinish, Finish(ctx, r.in, r.result.Position)); err != nil {
		return r.result, &UnfinishedError{Why: err, RollbackPath: true}
	}
	r.result.Parts.Finish = time.Since(begun)
	return r.result, nil
}

// resolve ends a failed stall: it asks the register for the decision, which is 'abort' unless
// the failure came after it, and follows it.
func (r *run) resolve(why error) error {
	ctx, cancel := context.WithTimeout(context.Background(), undoTimeout)
	defer cancel()
	state, _, err := resolve(ctx, r.in)
	if !r.result.HeldAt.IsZero() {
		r.result.Held = time.Since(r.result.HeldAt)
	}
	switch {
	case err != nil && state == StateUnknown:
		if !r.decideSent {
			// Only this controller says 'commit': the old side serves, whether its fence is
			// lifted by us or by an agent.
			r.release(ctx)
		}
		return &UndecidedError{Why: joined(why, err)}
	case state == StateCommitted:
		return &UnfinishedError{Why: joined(why, err)}
	}
	return &AbortedError{Why: joined(why, err), Result: r.result, WrongMoment: r.wrongMoment && err == nil}
}

// undo is resolve for a switch that has not held traffic yet.
func (r *run) undo(why error) error { return r.resolve(why) }

// release makes every pooler release clients to the old side.
func (r *run) release(ctx context.Context) {
	_ = eachPooler(ctx, r.in.Poolers, func(ctx context.Context, p Pooler) error { return p.Abort(ctx, r.in.ID) })
}
