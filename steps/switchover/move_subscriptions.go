package switchover

import (
	"context"
	"fmt"

	"github.com/gitover/gitover/steps/postgres/replication"
)

// moveSubscriptions prepares the move of subscriptions that aren't Gitover's, as the last step before the hold: their publishers
// wait from here on. It uses sessions that a later run of the switch can end.
func (r *run) moveSubscriptions(ctx context.Context) error {
	if !r.in.Scope.MoveSubscriptions {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	var found []string
	for _, l := range r.databases {
		obstacles, err := replication.MoveSubscriptions(ctx, l.conns[0], l.conns[len(l.conns)-1], r.in.ID)
		if err != nil {
			return fmt.Errorf("move the subscriptions of database %q: %w", l.database, err)
		}
		found = append(found, obstacles...)
	}
	if len(found) > 0 {
		return &WaitingError{Obstacles: otherSubscriptions(found)}
	}
	return nil
}
