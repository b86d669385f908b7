package switchover

import (
	"context"

	"github.com/gitover/gitover/steps/postgres/preflight"
)

// LeftBehind: the old side has something that doesn't move, and that nobody has agreed to lose.
const LeftBehind ObstacleKind = "LeftBehind"

// guardLeft looks again for what the preflight found before it began: people go on making
// databases and large objects while an upgrade runs.
func guardLeft(ctx context.Context, in Input) ([]Obstacle, error) {
	left, err := preflight.LeftBehind(ctx, in.From, in.Databases, in.Scope)
	var found []Obstacle
	for _, sentence := range left {
		found = append(found, obstacle(LeftBehind, "%s", sentence))
	}
	return found, err
}
