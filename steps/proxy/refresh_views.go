package proxy

import (
	"context"
	"errors"
	"slices"

	"github.com/gitover/gitover/steps/postgres"
)

// MaterializedViews of the new side could not be refreshed, or not in time.
const MaterializedViews ObstacleKind = "MaterializedViews"

// refreshViews has the new side's materialized views show what replication has brought there: clients that saw the
// old side's last refresh must not read older rows. Nothing is held meanwhile. An obstacle is a *Waiting.
func refreshViews(parent context.Context, in Input) error {
	if slices.Contains(in.Scope.Acknowledged, "materialized_views") {
		return nil
	}
	ctx, cancel := context.WithTimeout(parent, in.Limits.Refresh)
	defer cancel()
	err := eachDatabase(ctx, in.Databases, func(ctx context.Context, db string) error {
		return postgres.RefreshMaterializedViews(ctx, in.From, in.To, db, postgres.AllViews)
	})
	const agree = "or acknowledge materialized_views in the PgUpgrade: then clients find them as they were at their last refresh there, until you refresh them"
	switch {
	case err == nil || parent.Err() != nil:
		return err
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &Waiting{Obstacles: []Obstacle{obstacle(MaterializedViews, "the materialized views of %s take longer than %s to refresh (%v): make them faster or drop them, %s",
			in.To.Instance, in.Limits.Refresh, err, agree)}}
	case postgres.Unreachable(err):
		return err
	}
	return &Waiting{Obstacles: []Obstacle{obstacle(MaterializedViews, "%v; mend it, %s", err, agree)}}
}
