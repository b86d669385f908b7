package switchover

import (
	"context"
	"fmt"
	"time"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

const (
	// fencePoll is the time between two checks for sessions behind the fence; the first
	// leavePolls checks wait for sessions that the poolers have closed to end by themselves.
	fencePoll  = time.Millisecond
	leavePolls = 3
)

// terminateSessions ends sessions behind the fence until none is left.
func (r *run) terminateSessions(ctx context.Context) error {
	seen := map[int]bool{}
	var logins []int
	begun := time.Now()
	for look := 0; ; look++ {
		var left []postgres.Session
		var err error
		ending := r.ending(look, time.Since(begun))
		left, logins, err = r.from.TerminateSessions(ctx, r.in.ID, ending, logins)
		if err != nil {
			return err
		}
		for _, session := range left {
			if ending != fence.EndNone && !seen[session.PID] {
				seen[session.PID] = true
				r.result.Terminated = append(r.result.Terminated, session)
			}
		}
		if len(left) == 0 && len(logins) == 0 {
			break
		}
		if err := postgres.Pause(ctx, fencePoll); err != nil {
			return fmt.Errorf("%d logins and these sessions on the old side do not end: %v: %w", len(logins), left, err)
		}
	}
	prepared, err := postgres.PreparedTransactions(ctx, r.watcher, r.in.Databases)
	if err == nil && len(prepared) > 0 {
		return &WaitingError{Obstacles: preparedTransactions(prepared)}
	}
	return err
}

// ending says which sessions are ended at a look: those that a hold left behind at once, clients' own when their
// transaction is over, or when Limits.Drain is.
func (r *run) ending(look int, after time.Duration) fence.Ending {
	switch {
	case look < leavePolls:
		return fence.EndNone
	case r.in.Sessions == Held || after >= r.in.Limits.Drain:
		return fence.EndAll
	case r.in.Sessions == Frozen:
		return fence.EndQuiet
	}
	return fence.EndIdle
}
