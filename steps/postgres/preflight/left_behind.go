package preflight

import (
	"context"
	"fmt"
	"slices"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// Scope is what an upgrade's spec says about databases: which belong to it (ApplicationDatabases), what a human
// acknowledged, and whether Gitover gives tables a replica identity (Request).
type Scope struct {
	Include, Exclude, Acknowledged []string
	GiveIdentities                 bool
	// MoveSubscriptions: each switch moves the enabled subscriptions of others.
	MoveSubscriptions bool
	// Carry says what each switch copies that isn't replicated.
	Carry transfer.Carry
}

// LeftBehind describes, in sentences, what a switch would leave behind on s and was added after the
// preflight: databases, and large objects that are not acknowledged. Reads only.
func LeftBehind(ctx context.Context, s postgres.Server, databases []string, scope Scope) ([]string, error) {
	all, err := postgres.ApplicationDatabases(ctx, s, scope.Include, scope.Exclude)
	if err != nil {
		return nil, err
	}
	var left []string
	for _, d := range postgres.Moved(all) {
		if !slices.Contains(databases, d.Name) {
			left = append(left, fmt.Sprintf("database %q of %s isn't part of this upgrade, since it was created after the preflight, and would be left behind: "+
				"drop it, leave it out by spec.databases.exclude, or, before the cutover, revert the version and ask for it again", d.Name, s.Instance))
		}
	}
	if scope.Carry.LargeObjects || slices.Contains(scope.Acknowledged, "large_objects") {
		return left, nil // they may be millions
	}
	found, err := ofRule(ctx, s, "large_objects", Request{Databases: databases, Acknowledged: scope.Acknowledged})
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		if f.Blocks() {
			left = append(left, fmt.Sprintf("database %q of %s: %s %s, or acknowledge %s in the spec", f.Database, s.Instance, f.Why, f.Fix, f.Name))
		}
	}
	return left, nil
}
