package switchover

import (
	"context"
	"slices"

	"github.com/gitover/gitover/steps/postgres"
)

// Replaced: the primary of a side was replaced since both were known to hold the same rows.
const Replaced ObstacleKind = "Replaced"

// ReplacedPrimary is what spec.acknowledge names for a primary that was replaced and lacks nothing.
const ReplacedPrimary = "replaced_primary"

// guardIdentity: a promoted standby may lack the latest rows that the former primary had confirmed, and those are not
// sent again.
func guardIdentity(ctx context.Context, in Input) ([]Obstacle, error) {
	replaced, err := ReplacedServers(ctx, in.Known, in.Scope.Acknowledged, in.From, in.To)
	var found []Obstacle
	for _, r := range replaced {
		found = append(found, obstacle(Replaced, "the primary of %s was replaced since rows were compared: %s. Rows that it had may be missing; they are compared again before a cutover, and in a soak",
			r.Instance, r.Why))
	}
	return found, err
}

// ReplacedServer replaced a known server, and so may lack rows that it had.
type ReplacedServer struct{ Instance, Why string }

// ReplacedServers are those of servers that aren't among the known ones of their instance. An instance without known servers is
// not judged, and none is if ReplacedPrimary is acknowledged. With an error it returns those that were found before. Reads only.
func ReplacedServers(ctx context.Context, known map[string][]postgres.Identity, acknowledged []string, servers ...postgres.Server) ([]ReplacedServer, error) {
	if slices.Contains(acknowledged, ReplacedPrimary) {
		return nil, nil
	}
	var found []ReplacedServer
	for _, s := range servers {
		before := known[s.Instance]
		if len(before) == 0 {
			continue
		}
		now, err := postgres.IdentityOf(ctx, s)
		if err != nil {
			return found, err
		}
		if !slices.Contains(before, now) {
			found = append(found, ReplacedServer{Instance: s.Instance, Why: now.Replaced(before[0])})
		}
	}
	return found, nil
}
