package steps

import (
	"context"

	"github.com/gitover/gitover/steps/postgres"
)

// analyzeDone: every table of green has statistics.
func analyzeDone(ctx context.Context, run *Run) (Verdict, error) {
	green, err := run.green(ctx)
	if err != nil {
		return Verdict{}, err
	}
	missing := 0
	for _, db := range run.Status.Databases {
		_, without, err := postgres.Analyzed(ctx, green, db)
		if err != nil {
			return Verdict{}, err
		}
		missing += without
	}
	if missing > 0 {
		return act("%d tables to analyze", missing), nil
	}
	return done("every table has statistics"), nil
}

// analyzeRun also fills materialized views, which replication doesn't carry.
func analyzeRun(ctx context.Context, run *Run) error {
	green, err := run.green(ctx)
	if err != nil {
		return err
	}
	return eachDatabase(ctx, run, func(ctx context.Context, db string) error {
		if err := postgres.RefreshMaterializedViews(ctx, green, db); err != nil {
			return err
		}
		return postgres.Analyze(ctx, green, db)
	})
}
