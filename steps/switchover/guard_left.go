package switchover

import (
	"context"

	"github.com/gitover/gitover/steps/postgres/preflight"
)

// LeftBehind: the old side has something that doesn't move, and that isn't acknowledged.
const LeftBehind ObstacleKind = "LeftBehind"

// guardLeft repeats checks of the preflight: applications still create databases and large
// objects while an upgrade runs.
func guardLeft(ctx context.Context, in Input) ([]Obstacle, error) {
	left, err := preflight.LeftBehind(ctx, in.From, in.Databases, in.Scope)
	var found []Obstacle
	for _, sentence := range left {
		found = append(found, obstacle(LeftBehind, "%s", sentence))
	}
	return found, err
}
