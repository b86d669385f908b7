package preflight

import (
	"context"
	"fmt"

	"github.com/gitover/gitover/steps/postgres"
)

// EnabledSubscriptions describes, in sentences, the subscriptions on from that aren't this upgrade's, write there behind a fence,
// and are not acknowledged: one may be enabled after the preflight. Those that each switch moves don't count. Reads only.
func EnabledSubscriptions(ctx context.Context, from, to postgres.Server, names postgres.Names, databases []string, scope Scope) ([]string, error) {
	target, err := postgres.Version(ctx, to)
	if err != nil {
		return nil, err
	}
	p := pass{only: "enabled_subscriptions", request: Request{Target: target, Databases: databases, Names: names,
		Acknowledged: scope.Acknowledged, MoveSubscriptions: scope.MoveSubscriptions}}
	if err := p.run(ctx, from, "", onBlue); err != nil {
		return nil, fmt.Errorf("subscriptions of others on %s: %w", from.Instance, err)
	}
	var found []string
	for _, f := range p.findings {
		if f.Blocks() {
			found = append(found, fmt.Sprintf("on %s %s %s", from.Instance, f.Why, f.Fix))
		}
	}
	return found, nil
}
