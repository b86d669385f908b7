package switchover

import (
	"context"

	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// OtherSubscription: a subscription that isn't Gitover's writes to the old side, and a fence doesn't stop it.
const OtherSubscription ObstacleKind = "OtherSubscription"

// guardSubscriptions repeats a check of the preflight: a row that such a subscription writes after the
// marker would not reach the new side.
func guardSubscriptions(ctx context.Context, in Input) ([]Obstacle, error) {
	enabled, err := preflight.EnabledSubscriptions(ctx, in.From, in.To, in.Names, in.Databases, in.Scope)
	found := otherSubscriptions(enabled)
	if err != nil || len(found) > 0 || !in.Scope.MoveSubscriptions {
		return found, err
	}
	obstacles, err := replication.TryMove(ctx, in.From, in.To, in.Databases)
	return otherSubscriptions(obstacles), err
}

func otherSubscriptions(sentences []string) []Obstacle {
	var found []Obstacle
	for _, sentence := range sentences {
		found = append(found, obstacle(OtherSubscription, "%s", sentence))
	}
	return found
}
