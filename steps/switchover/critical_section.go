package switchover

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

const (
	// loginTime is how long a login takes: those that passed a pooler that holds connections, and not clients, should not meet
	// the fence.
	loginTime = 25 * time.Millisecond
	// resumeTimeout bounds what must be tried after the decision.
	resumeTimeout = 5 * time.Second
)

// criticalSection is everything between the hold and the resume. It never writes to the API
// server or opens a connection.
func (r *run) criticalSection(parent context.Context) error {
	r.result.HeldAt = time.Now()
	limited, cancel := context.WithTimeout(parent, r.in.Limits.heldForAtMost())
	defer cancel()
	ctx, lost := context.WithCancelCause(limited)
	defer lost(nil)
	defer r.guard(ctx, lost)()
	r.in.trace(PointHold)
	if err := r.holdAndFence(ctx); err != nil {
		return err
	}
	r.in.trace(PointMove)
	if err := r.in.traced(PointMove, r.moveAll(ctx)); err != nil {
		return err
	}
	if err := r.decide(ctx); err != nil {
		return err
	}
	after, cancelAfter := context.WithTimeout(context.WithoutCancel(parent), resumeTimeout)
	defer cancelAfter()
	return r.resume(after)
}

// guard has the old side abort the switch by itself if this controller dies, where no agent does. If it can't watch over the switch,
// that doesn't go on: lost is called.
func (r *run) guard(ctx context.Context, lost context.CancelCauseFunc) (end func()) {
	if r.guardian == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := r.guardian.AbortAlone(ctx, r.in.ID, r.from, r.in.Limits.Hold-r.in.Limits.Margin); err != nil { // what it did is in the register
			lost(err)
		}
	}()
	return func() { cancel(); <-ended }
}

// timed measures one part.
func timed(part *time.Duration, do func() error) error {
	begun := time.Now()
	err := do()
	*part = time.Since(begun)
	return err
}

// holdAndFence holds every pooler, and fences the old side as soon as the last of them
// lets no new statement begin: before that a refused login would reach a client. If the version would refuse
// parallel workers to a running query, the fence waits until no query runs.
func (r *run) holdAndFence(parent context.Context) error {
	group, ctx := errgroup.WithContext(parent)
	entered, held := make(chan struct{}), make(chan struct{})
	mayFence := entered
	if !r.workersPass && r.in.Sessions == Held {
		mayFence = held
	}
	var pending atomic.Int64
	pending.Store(int64(len(r.in.Poolers)))
	group.Go(func() error {
		err := timed(&r.result.Parts.Hold, func() error {
			return r.in.traced(PointHold, r.hold(ctx, func() {
				if pending.Add(-1) == 0 {
					close(entered)
				}
			}))
		})
		if err == nil {
			close(held)
		}
		return err
	})
	group.Go(func() error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-mayFence:
		}
		if r.in.Sessions == Ended {
			_ = postgres.Pause(ctx, loginTime)
		}
		r.in.trace(PointFence)
		err := timed(&r.result.Parts.Fence, func() error { return r.in.traced(PointFence, r.fence(ctx)) })
		if err != nil || r.in.Sessions == Held {
			return err
		}
		return r.clear(ctx) // a pooler may hold its clients completely only once their sessions are over
	})
	if err := group.Wait(); err != nil || r.in.Sessions != Held {
		return err
	}
	return r.clear(parent)
}

// clear is terminateSessions, measured as part of the fence.
func (r *run) clear(ctx context.Context) error {
	r.in.trace(PointClear)
	begun := time.Now()
	err := r.in.traced(PointClear, r.terminateSessions(ctx))
	r.result.Parts.Fence += time.Since(begun)
	return err
}

// hold returns when no pooler has a transaction in flight. It reports a transaction that takes
// too long, or ends it if the limits say so.
func (r *run) hold(parent context.Context, entered func()) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	request := protocol.HoldRequest{
		SwitchID: r.in.ID, LimitMilliseconds: r.in.Limits.Hold.Milliseconds(),
		MarginMilliseconds: r.in.Limits.Margin.Milliseconds(), Attended: true,
	}
	held := make(chan error, 1)
	go func() {
		held <- eachPooler(ctx, r.in.Poolers, func(ctx context.Context, p Pooler) error {
			return p.Hold(ctx, request, sync.OnceFunc(entered))
		})
	}()
	patience := time.NewTimer(r.in.Limits.Drain)
	defer patience.Stop()
	for {
		select {
		case err := <-held:
			return err
		case <-patience.C:
			if r.in.Sessions != Held {
				continue // terminateSessions ends them
			}
			if err := r.handleSlowTransactions(ctx); err != nil {
				cancel()
				<-held //nolint:errcheck // err says why it was ended
				return err
			}
		}
	}
}

func (r *run) fence(ctx context.Context) error {
	decision, err := r.from.Fence(ctx, r.in.ID)
	if err == nil && decision != fence.Open {
		return errDecidedAgainst
	}
	return err
}

// moveAll drains, sets sequences and flips the poolers, in parallel.
func (r *run) moveAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	var moved atomic.Int64
	begun := time.Now()
	longest := func(part *time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		*part = max(*part, time.Since(begun))
	}
	for _, l := range r.databases {
		drained := make(chan struct{})
		group.Go(func() error {
			defer close(drained)
			defer longest(&r.result.Parts.Drain)
			id, err := l.commit.Commit(ctx, r.in.From.Instance)
			if err != nil {
				return err
			}
			mu.Lock()
			r.result.Markers[l.database] = id
			mu.Unlock()
			limited, cancel := r.drainLimit(ctx)
			defer cancel()
			return l.drain(limited, r.in.From.Instance, id)
		})
		group.Go(func() error {
			defer longest(&r.result.Parts.Sequences)
			if l.shared {
				<-drained
			}
			n, err := l.sequences(ctx)
			moved.Add(int64(n))
			return err
		})
	}
	for _, l := range r.databases {
		if c := r.carried[l.database]; c != nil {
			group.Go(func() error {
				defer longest(&r.result.Parts.Copy)
				return c.Finish(ctx, l.carry[0], l.carry[1])
			})
		}
	}
	group.Go(func() error {
		defer longest(&r.result.Parts.Flip)
		return eachPooler(ctx, r.in.Poolers, func(ctx context.Context, p Pooler) error { return p.Flip(ctx, r.in.ID) })
	})
	err := group.Wait()
	r.result.SequencesMoved = int(moved.Load())
	r.wrongMoment = r.overBudget(err)
	return err
}

// decide makes the new side ready, durably, and then records the decision.
func (r *run) decide(ctx context.Context) error {
	r.in.trace(PointReady)
	return timed(&r.result.Parts.Decide, func() (err error) {
		r.result.Position, err = r.to.Ready(ctx, r.in.row(), r.keyHash)
		if err := r.in.traced(PointReady, err); err != nil {
			return err
		}
		r.in.trace(PointDecide)
		r.decideSent = true
		verdict, err := r.from.Commit(ctx, r.in.ID, r.in.who(), r.result.Markers)
		if err := r.in.traced(PointDecide, err); err != nil {
			return err
		}
		if verdict.Decision != fence.Commit {
			return errDecidedAgainst
		}
		r.key = verdict.Key
		return nil
	})
}

// resume opens the new side and releases clients to it.
func (r *run) resume(ctx context.Context) error {
	r.in.trace(PointOpen)
	err := timed(&r.result.Parts.Open, func() error {
		state, err := r.to.Unfence(ctx, r.in.ID, r.in.who(), r.key)
		if err == nil && state != "opened" {
			return errors.New("the new side's incoming switch is  " + state)
		}
		return r.in.traced(PointOpen, err)
	})
	if err != nil {
		return err
	}
	r.in.trace(PointResume)
	err = timed(&r.result.Parts.Resume, func() error {
		return eachPooler(ctx, r.in.Poolers, func(ctx context.Context, p Pooler) error { return p.Resume(ctx, r.in.ID) })
	})
	r.result.Held = time.Since(r.result.HeldAt)
	return r.in.traced(PointResume, err)
}
