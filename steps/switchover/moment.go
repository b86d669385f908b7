package switchover

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gitover/gitover/steps/postgres"
)

// While patience lasts, a hold begins only at a moment in which it will be short, since it stalls every client for as long
// as the transactions last that are in flight, and as long as the new side takes to apply what they wrote.

const (
	// momentPoll is the time between two looks for a moment.
	momentPoll = 10 * time.Millisecond
	// momentWait is how long a prepared switch looks for a moment. Until it ends, a change of the target is not seen.
	momentWait = 5 * time.Second
	// instantWait is how long the last look may last, just before the hold: agents know of it already.
	instantWait = 250 * time.Millisecond
	// probeInterval between two rows that are sent to the new side in order to see whether it keeps up.
	probeInterval = 250 * time.Millisecond
)

// awaitMoment returns when a hold would be short. Nothing is held meanwhile. If that doesn't come in time, the error is a
// WaitingError that names what is in the way.
func (r *run) awaitMoment(ctx context.Context) error {
	if !r.in.Limits.patient() {
		return nil
	}
	end := time.Now().Add(min(momentWait, r.in.Limits.Patience))
	var probed time.Time
	for {
		found, err := r.inFlight(ctx)
		if err == nil && len(found) == 0 {
			if time.Since(probed) < probeInterval {
				return nil
			}
			if found, err = r.behind(ctx); err == nil && len(found) == 0 {
				probed = time.Now()
				continue // transactions may have begun meanwhile
			}
		}
		if err == nil && time.Now().After(end) {
			r.wrongMoment = true
			err = &WaitingError{Obstacles: found}
		}
		if err == nil {
			err = postgres.Pause(ctx, momentPoll)
		}
		if err != nil {
			return err
		}
	}
}

// awaitInstant is the last look, between the announcement of the hold and the hold: it lasts a little, and then traffic is
// held in any case.
func (r *run) awaitInstant(ctx context.Context) error {
	if !r.in.Limits.patient() {
		return nil
	}
	end := time.Now().Add(instantWait)
	for {
		found, err := r.inFlight(ctx)
		if err != nil || len(found) == 0 || time.Now().After(end) {
			return err
		}
		if err := postgres.Pause(ctx, momentPoll); err != nil {
			return err
		}
	}
}

// inFlight names the transactions that would prolong a hold. Those that the policy ends don't.
func (r *run) inFlight(ctx context.Context) ([]Obstacle, error) {
	age := r.in.Limits.youngest()
	found, err := postgres.LongTransactions(ctx, r.watcher, r.in.Databases, age)
	if err != nil || len(found) == 0 || r.in.Limits.LongTransactions != Terminate {
		return longTransactions(found, age), err
	}
	ended, err := postgres.LongTransactions(ctx, r.watcher, r.in.Databases, r.in.Limits.LongTransaction)
	found = slices.DeleteFunc(found, func(s postgres.Session) bool {
		return slices.ContainsFunc(ended, func(e postgres.Session) bool { return e.PID == s.PID })
	})
	return longTransactions(found, age), err
}

// behind names the databases whose changes take long to reach the new side: a drain would take as long.
func (r *run) behind(ctx context.Context) ([]Obstacle, error) {
	var found []Obstacle
	for _, l := range r.databases {
		begun := time.Now()
		if err := l.probe(ctx, r.in.From.Instance); err != nil {
			var late *NewSideBehindError
			r.wrongMoment = errors.As(err, &late)
			return nil, err
		}
		if took := time.Since(begun); took > r.in.Limits.StallBudget/3 {
			found = append(found, obstacle(Lagging, "a row of database %q took %s to reach %s", l.database, took.Round(time.Millisecond), r.in.To.Instance))
		}
	}
	return found, nil
}

// drainLimit bounds the drain of an attempt that promised a short stall; what is copied while traffic is held takes the
// time that was said beforehand.
func (r *run) drainLimit(ctx context.Context) (context.Context, context.CancelFunc) {
	if !r.in.Limits.patient() || len(r.carried) > 0 {
		return context.WithCancel(ctx)
	}
	budget := r.in.Limits.StallBudget
	return context.WithTimeout(ctx, max(budget-time.Since(r.result.HeldAt), budget/4))
}

// overBudget says whether an attempt ended early since it could not keep what clients were promised.
func (r *run) overBudget(err error) bool {
	var behind *NewSideBehindError
	return r.in.Limits.patient() && errors.As(err, &behind) && errors.Is(err, context.DeadlineExceeded)
}
