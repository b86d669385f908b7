package switchover

import (
	"context"
	"errors"
	"slices"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// MaterializedViews of the new side could not be refreshed, or not in time.
const MaterializedViews ObstacleKind = "MaterializedViews"

// refreshViews refreshes the new side's materialized views from the replicated rows: clients that saw the old
// side's last refresh must not read older rows. Traffic isn't held meanwhile. An obstacle is a *WaitingError.
func refreshViews(ctx context.Context, in Input) error {
	if slices.Contains(in.Scope.Acknowledged, "materialized_views") {
		return nil
	}
	err := eachDatabase(ctx, in.Databases, func(ctx context.Context, db string) error {
		return transfer.RefreshMaterializedViews(ctx, in.From, in.To, db, transfer.AllViews, in.Limits.Refresh)
	})
	const agree = "or acknowledge materialized_views in the PgUpgrade: then clients see them as of their last refresh there, until you refresh them"
	var tooLong *transfer.RefreshTooLongError
	switch {
	case err == nil || ctx.Err() != nil || postgres.Unreachable(err):
		return err
	case errors.As(err, &tooLong):
		return &WaitingError{Obstacles: []Obstacle{obstacle(MaterializedViews, "%v: make it faster or drop it, %s", err, agree)}}
	}
	return &WaitingError{Obstacles: []Obstacle{obstacle(MaterializedViews, "%v; fix it, %s", err, agree)}}
}
