package switchover

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// State is how a switch ended.
type State string

// States.
const (
	// StateUnknown: the register could not be asked.
	StateUnknown State = ""
	// StateAborted: traffic is on the old side.
	StateAborted State = "Aborted"
	// StateCommitted: traffic is on the new side.
	StateCommitted State = "Committed"
)

// Recover ends a switch that a controller left: an undecided one is decided against and
// undone, a decided one is finished. It may be called at any time after the id was
// written down, also when the switch never began, and again after an error. The result
// carries what is known of a committed switch. With StateCommitted an error means that
// traffic is on the new side, but something is left to do; *Undecided that the old side's
// register does not answer.
func Recover(ctx context.Context, in Input) (State, Result, error) {
	in.Limits = in.Limits.withDefaults()
	result := Result{ID: in.ID}
	if err := in.report(protocol.PhaseSettling); err != nil {
		return StateUnknown, result, err
	}
	state, position, err := resolveWithin(ctx, in, in.Limits.Hold+undoTimeout)
	result.Position = position
	var behind *poolersBehindError
	switch {
	case state == StateUnknown:
		return state, result, &UndecidedError{Why: err}
	case state == StateAborted, err != nil && !errors.As(err, &behind):
		return state, result, err
	}
	// A pooler that can't be reached, on a node that died perhaps, keeps nothing else waiting:
	// the side that serves must not go without a follower.
	if err := in.report(protocol.PhaseFinishing); err != nil {
		return state, result, &UnfinishedError{Why: err}
	}
	finished := Finish(ctx, in, position)
	if why := joined(finished, err); why != nil {
		return state, result, &UnfinishedError{Why: why, RollbackPath: finished != nil}
	}
	return state, result, nil
}

func resolveWithin(ctx context.Context, in Input, limit time.Duration) (State, string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return resolve(ctx, in)
}

// poolersBehindError: the servers are in line with a decision, and these poolers aren't.
type poolersBehindError struct{ cause error }

func (e *poolersBehindError) Error() string { return e.cause.Error() }

func (e *poolersBehindError) Unwrap() error { return e.cause }

// AbortOrphanedSwitches aborts switches away from in.From that are undecided and have another id
// than in.ID: no one else is going to, when PgProxy's status, which named them, is lost.
// The old side's fence is lifted with them. Call it before Guard; nothing to do is success.
func AbortOrphanedSwitches(ctx context.Context, in Input) error {
	register, err := fence.OpenRegister(ctx, in.From)
	if err != nil {
		return err
	}
	ids, err := register.Undecided(ctx)
	register.Close(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		forgotten := in
		forgotten.ID = id
		if id == in.ID {
			continue
		}
		if _, _, err := resolve(ctx, forgotten); err != nil {
			return fmt.Errorf("settle the forgotten switch %s: %w", id, err)
		}
	}
	return nil
}

// resolve makes the decision stand and brings servers and poolers in line with it. What it
// returns with StateCommitted beside an error is that poolers or the new side lag.
func resolve(ctx context.Context, in Input) (State, string, error) {
	entrance, verdict, err := decision(ctx, in)
	if err != nil {
		return StateUnknown, "", err
	}
	if verdict.Decision != fence.Commit {
		err := eachOfAll(in.Poolers, func(p Pooler) error { return p.Abort(ctx, in.ID) })
		// whatever the spec says by now; nobody but a controller does this, so it comes back until it is done
		if failed := replication.ReturnSubscriptions(ctx, in.From, in.Databases, in.ID); failed != nil {
			return StateUnknown, "", joined(failed, err)
		}
		return StateAborted, "", err
	}
	if entrance.Left {
		return StateCommitted, entrance.Position, errLeftAgain
	}
	if err := openEntrance(ctx, in, verdict.Key); err != nil {
		return StateCommitted, entrance.Position, err
	}
	if err := eachOfAll(in.Poolers, func(p Pooler) error { return redirectPooler(ctx, in, p) }); err != nil {
		return StateCommitted, entrance.Position, &poolersBehindError{err}
	}
	return StateCommitted, entrance.Position, nil
}

// decision asks both sides. An entrance that was opened says 'commit' even when the old
// side is gone; otherwise an undecided switch is aborted. Sessions that an earlier run
// left are ended first.
func decision(ctx context.Context, in Input) (entrance fence.IncomingSwitch, _ fence.Verdict, err error) {
	nonce := rand.Text()[:16]
	to, toErr := fence.SwitchRegister(ctx, in.To, nonce)
	if toErr == nil {
		defer to.Close(ctx)
		if toErr = to.TakeOver(ctx, nonce); toErr == nil {
			entrance, toErr = to.IncomingSwitch(ctx, in.ID)
		}
	}
	if entrance.State == "opened" {
		return entrance, fence.Verdict{Decision: fence.Commit}, nil
	}
	from, err := fence.SwitchRegister(ctx, in.From, nonce)
	if err != nil {
		return entrance, fence.Verdict{}, err
	}
	defer from.Close(ctx)
	if err := from.TakeOver(ctx, nonce); err != nil {
		return entrance, fence.Verdict{}, err
	}
	stands, err := from.Abort(ctx, in.ID, in.who())
	switch {
	case err == nil && stands.Decision == fence.Commit && toErr != nil:
		return entrance, fence.Verdict{}, toErr
	case err == nil && stands.Decision == fence.Abort && toErr == nil:
		// Nobody reads the rollback path's slots, which keep the new side's WAL. What fails here the
		// next attempt does, or the upgrade's end.
		_ = to.DropUnreadSlots(ctx, in.ID, in.rollbackPath(), in.Databases)
	}
	return entrance, stands, err
}

// rollbackPath names the slots of the rollback path.
func (in Input) rollbackPath() []string {
	var slots []string
	for _, db := range in.Databases {
		slots = append(slots, in.Names.Slot(db, in.From.Instance))
	}
	return slots
}

// dropRollbackPath after a preparation that failed: the slots keep WAL, and nobody reads them. What
// fails here the next attempt does, or the upgrade's end.
func (r *run) dropRollbackPath() {
	if r.to == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = r.to.DropUnreadSlots(ctx, r.in.ID, r.in.rollbackPath(), r.in.Databases)
}

// openEntrance needs no key where the entrance is open already.
func openEntrance(ctx context.Context, in Input, key postgres.Password) error {
	to, err := fence.OpenRegister(ctx, in.To)
	if err != nil {
		return err
	}
	defer to.Close(ctx)
	if err := readyAgain(ctx, in, to); err != nil {
		return err
	}
	state, err := to.Unfence(ctx, in.ID, in.who(), key)
	if err == nil && state != "opened" {
		return fmt.Errorf("the entrance of %s for switch %s is %q", in.To.Instance, in.ID, state)
	}
	return err
}

// redirectPooler leads one pooler to the new side, wherever the switch left it.
func redirectPooler(ctx context.Context, in Input, p Pooler) error {
	state, err := p.State(ctx)
	if err != nil {
		return err
	}
	there := state.Target.Host == in.To.Host && state.Target.Port == in.To.Port
	if there && !state.Paused {
		return nil
	}
	request := protocol.HoldRequest{
		SwitchID: in.ID, LimitMilliseconds: in.Limits.Hold.Milliseconds(),
		MarginMilliseconds: in.Limits.Margin.Milliseconds(), Attended: true,
	}
	for _, step := range []func() error{
		func() error {
			return p.Stage(ctx, protocol.StageRequest{SwitchID: in.ID, From: protocol.TargetOf(in.From, in.Databases), To: protocol.TargetOf(in.To, in.Databases)})
		},
		func() error { return p.Hold(ctx, request, func() {}) },
		func() error { return p.Flip(ctx, in.ID) },
		func() error { return p.Resume(ctx, in.ID) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// eachOfAll does the same at all poolers, also when some fail.
func eachOfAll(poolers []Pooler, do func(Pooler) error) error {
	errs := make([]error, len(poolers))
	var group errgroup.Group
	for i, p := range poolers {
		group.Go(func() error { errs[i] = do(p); return nil })
	}
	_ = group.Wait()
	return errors.Join(errs...)
}
