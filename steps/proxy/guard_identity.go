package proxy

import (
	"context"
	"slices"

	"github.com/gitover/gitover/steps/postgres"
)

// Replaced: the primary of a side was replaced since both were known to hold the same rows.
const Replaced ObstacleKind = "Replaced"

// ReplacedPrimary is what spec.acknowledge names for a primary that was replaced and lacks nothing.
const ReplacedPrimary = "replaced_primary"

// guardIdentity: a standby that was promoted may be a moment older than what the one before had confirmed, and nobody
// sends that again.
func guardIdentity(ctx context.Context, in Input) ([]Obstacle, error) {
	if slices.Contains(in.Scope.Acknowledged, ReplacedPrimary) {
		return nil, nil
	}
	var found []Obstacle
	for _, s := range []postgres.Server{in.From, in.To} {
		known := in.Known[s.Instance]
		if len(known) == 0 {
			continue
		}
		now, err := postgres.IdentityOf(ctx, s)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(known, now) {
			found = append(found, obstacle(Replaced, "the primary of %s was replaced since rows were compared: %s. Rows that it had may be missing; they are compared again before a cutover, and in a soak",
				s.Instance, now.Replaced(known[0])))
		}
	}
	return found, nil
}
