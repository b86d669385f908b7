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

// Recover ends a switch that a controller left: it aborts and undoes an undecided one, and
// finishes a decided one. It may be called at any time after the id was stored, also when the
// switch never began, and again after an error. The result has what is known about a committed
// switch. With StateCommitted an error means that traffic is on the new side, but something is
// left to do; *UndecidedError means that the old side's register does not answer.
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
	// A pooler that can't be reached, e.g. on a dead node, must not delay the rest: the
	// serving side needs its follower.
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

// poolersBehindError: the servers follow a decision, but these poolers don't yet.
type poolersBehindError struct{ cause error }

func (e *poolersBehindError) Error() string { return e.cause.Error() }

func (e *poolersBehindError) Unwrap() error { return e.cause }

// AbortOrphanedSwitches aborts switches away from in.From that are undecided and have another id
// than in.ID: if PgProxy's status, which named them, is lost, nothing else aborts them. This
// lifts the old side's fence. Call it before Guard; nothing to do is success.
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
			return fmt.Errorf("abort the orphaned switch %s: %w", id, err)
		}
	}
	return nil
}

// resolve gets a decision and makes servers and poolers follow it. StateCommitted with an
// error means that poolers or the new side don't follow it yet.
func resolve(ctx context.Context, in Input) (State, string, error) {
	incoming, verdict, err := decision(ctx, in)
	if err != nil {
		return StateUnknown, "", err
	}
	if verdict.Decision != fence.Commit {
		err := eachOfAll(in.Poolers, func(p Pooler) error { return p.Abort(ctx, in.ID) })
		// whatever the spec says by now; only a controller does this, so it is repeated until it is done
		if failed := replication.ReturnSubscriptions(ctx, in.From, in.Databases, in.ID); failed != nil {
			return StateUnknown, "", joined(failed, err)
		}
		return StateAborted, "", err
	}
	if incoming.Left {
		return StateCommitted, incoming.Position, errLeftAgain
	}
	if err := openIncomingSwitch(ctx, in, verdict.Key); err != nil {
		return StateCommitted, incoming.Position, err
	}
	if err := eachOfAll(in.Poolers, func(p Pooler) error { return redirectPooler(ctx, in, p) }); err != nil {
		return StateCommitted, incoming.Position, &poolersBehindError{err}
	}
	return StateCommitted, incoming.Position, nil
}

// decision reads both sides. An incoming switch that was opened means 'commit' even if the old
// side is gone; otherwise an undecided switch is aborted. Sessions of earlier runs are ended
// first.
func decision(ctx context.Context, in Input) (incoming fence.IncomingSwitch, _ fence.Verdict, err error) {
	nonce := rand.Text()[:16]
	to, toErr := fence.SwitchRegister(ctx, in.To, nonce)
	if toErr == nil {
		defer to.Close(ctx)
		if toErr = to.TakeOver(ctx, nonce); toErr == nil {
			incoming, toErr = to.IncomingSwitch(ctx, in.ID)
		}
	}
	if incoming.State == "opened" {
		return incoming, fence.Verdict{Decision: fence.Commit}, nil
	}
	from, err := fence.SwitchRegister(ctx, in.From, nonce)
	if err != nil {
		return incoming, fence.Verdict{}, err
	}
	defer from.Close(ctx)
	if err := from.TakeOver(ctx, nonce); err != nil {
		return incoming, fence.Verdict{}, err
	}
	stands, err := from.Abort(ctx, in.ID, in.who())
	switch {
	case err == nil && stands.Decision == fence.Commit && toErr != nil:
		return incoming, fence.Verdict{}, toErr
	case err == nil && stands.Decision == fence.Abort && toErr == nil:
		// The rollback path's slots have no reader and keep the new side's WAL. If this fails, the
		// next attempt does it, or the end of the upgrade.
		_ = to.DropUnreadSlots(ctx, in.ID, in.rollbackPath(), in.Databases)
	}
	return incoming, stands, err
}

// rollbackPath names the slots of the rollback path.
func (in Input) rollbackPath() []string {
	var slots []string
	for _, db := range in.Databases {
		slots = append(slots, in.Names.Slot(db, in.From.Instance))
	}
	return slots
}

// dropRollbackPath after a failed preparation: the slots keep WAL and have no reader. If this
// fails, the next attempt does it, or the end of the upgrade.
func (r *run) dropRollbackPath() {
	if r.to == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = r.to.DropUnreadSlots(ctx, r.in.ID, r.in.rollbackPath(), r.in.Databases)
}

// openIncomingSwitch needs no key if it is opened already.
func openIncomingSwitch(ctx context.Context, in Input, key postgres.Password) error {
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
		return fmt.Errorf("the incoming switch %[2]s of %[1]s is %[3]q", in.To.Instance, in.ID, state)
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
