package switchover

import (
	"context"

	"github.com/gitover/gitover/steps/postgres"
)

// handleSlowTransactions handles the transactions that delay the completion of a hold.
func (r *run) handleSlowTransactions(ctx context.Context) error {
	// A transaction that began just before the last pooler paused is a little younger than the hold.
	age := r.in.Limits.Drain / 2
	long, err := postgres.LongTransactions(ctx, r.watcher, r.in.Databases, age)
	if err != nil {
		return err
	}
	r.wrongMoment = r.in.Limits.patient()
	if r.in.Limits.LongTransactions == Terminate && len(long) > 0 && !r.wrongMoment {
		return r.terminate(ctx, long)
	}
	found := longTransactions(long, age)
	for _, p := range r.in.Poolers {
		if state, err := p.State(ctx); err == nil {
			found = append(found, sessionPooling(p, state, 0)...)
		}
	}
	if len(found) == 0 {
		found = []Obstacle{obstacle(PoolerOutOfStep, "the poolers were not idle within %s, although no transaction is that old", r.in.Limits.Drain)}
	}
	return &WaitingError{Obstacles: found}
}

// terminateLong ends, just before the hold, transactions that would only prolong it.
func (r *run) terminateLong(ctx context.Context) error {
	if r.in.Limits.LongTransactions != Terminate {
		return nil
	}
	long, err := postgres.LongTransactions(ctx, r.watcher, r.in.Databases, r.in.Limits.LongTransaction)
	if err != nil {
		return err
	}
	return r.terminate(ctx, long)
}

func (r *run) terminate(ctx context.Context, sessions []postgres.Session) error {
	for _, session := range sessions {
		if err := postgres.TerminateSession(ctx, r.watcher, session.PID); err != nil {
			return err
		}
	}
	r.result.Terminated = append(r.result.Terminated, sessions...)
	return nil
}
