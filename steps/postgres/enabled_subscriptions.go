package postgres

import (
	"context"
	"fmt"
)

// EnabledSubscriptions says, in sentences, which subscriptions on s aren't this upgrade's, write there behind
// a fence, and nobody has acknowledged: somebody may enable one after the preflight. Reads only.
func EnabledSubscriptions(ctx context.Context, s Server, names Names, acknowledged []string) ([]string, error) {
	p := pass{request: PreflightRequest{Names: names, Acknowledged: acknowledged}, only: "enabled_subscriptions"}
	if err := p.run(ctx, s, "", onBlue); err != nil {
		return nil, fmt.Errorf("subscriptions of others on %s: %w", s.Instance, err)
	}
	var found []string
	for _, f := range p.findings {
		if f.Blocks() {
			found = append(found, fmt.Sprintf("on %s %s %s", s.Instance, f.Why, f.Fix))
		}
	}
	return found, nil
}
