package steps

import (
	"context"

	"github.com/gitover/gitover/steps/postgres/transfer"
)

// analyzeDone: every table of green has statistics, and its materialized views are populated as blue's are.
func analyzeDone(ctx context.Context, run *Run) (Verdict, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return Verdict{}, err
	}
	missing, unlike := 0, 0
	for _, db := range run.Status.Databases {
		_, without, err := transfer.Analyzed(ctx, green, db)
		if err != nil {
			return Verdict{}, err
		}
		views, err := transfer.UnlikeViews(ctx, blue, green, db)
		if err != nil {
			return Verdict{}, err
		}
		missing, unlike = missing+without, unlike+views
	}
	if missing+unlike > 0 {
		return slowly("%d tables to analyze, %d materialized views to refresh", missing, unlike), nil
	}
	return done("every table has statistics"), nil
}

// analyzeRun also fills materialized views, which replication doesn't carry. Each switch refreshes them again.
func analyzeRun(ctx context.Context, run *Run) error {
	blue, green, err := run.both(ctx)
	if err != nil {
		return err
	}
	return eachDatabase(ctx, run, func(ctx context.Context, db string) error {
		if err := transfer.RefreshMaterializedViews(ctx, blue, green, db, transfer.EmptyViews, 0); err != nil {
			return err
		}
		return transfer.Analyze(ctx, green, db)
	})
}
