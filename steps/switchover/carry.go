package switchover

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gitover/gitover/steps/postgres/transfer"
)

// CopyTooSlow: what isn't replicated takes too long to copy, before a hold or in it.
const CopyTooSlow ObstacleKind = "CopyTooSlow"

// carryAhead copies what isn't replicated, as far as possible before traffic is held, and measures how long the rest
// will take in the hold. It has as much time as the refresh of materialized views. An obstacle is a *WaitingError.
func carryAhead(parent context.Context, in Input) (map[string]*transfer.Carried, error) {
	what := in.Scope.Carry
	if !what.Any() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(parent, in.Limits.Refresh)
	defer cancel()
	carried := map[string]*transfer.Carried{}
	var mu sync.Mutex
	var longest time.Duration
	err := eachDatabase(ctx, in.Databases, func(ctx context.Context, db string) error {
		c, err := transfer.CarryAhead(ctx, in.From, in.To, db, what)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		carried[db] = c
		longest = max(longest, c.Takes)
		return nil
	})
	const agree = "make them fewer, or take them out of spec.copyInSwitch and let them stay behind"
	switch {
	case err != nil && parent.Err() == nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, &WaitingError{Obstacles: []Obstacle{obstacle(CopyTooSlow,
			"large objects and unlogged tables aren't copied to %s within %s; the next attempt continues with what is left", in.To.Instance, in.Limits.Refresh)}}
	case err != nil:
		return nil, err
	case longest > in.Limits.Drain:
		return nil, &WaitingError{Obstacles: []Obstacle{obstacle(CopyTooSlow,
			"copying large objects and unlogged tables would hold traffic for %s, and may for %s: %s",
			longest.Round(time.Millisecond), in.Limits.Drain, agree)}}
	}
	return carried, nil
}
