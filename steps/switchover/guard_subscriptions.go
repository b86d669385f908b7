package switchover

import (
	"context"

	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// OtherSubscription: somebody else's subscription writes to the old side, which no fence keeps it from.
const OtherSubscription ObstacleKind = "OtherSubscription"

// guardSubscriptions looks again for what the preflight blocks: a row that such a subscription writes after
// the marker would not reach the new side.
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
