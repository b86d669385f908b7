package steps

import (
	"context"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
)

// buildIndexesDone: green has blue's schema, with all indexes and triggers, and replication
// runs.
func buildIndexesDone(ctx context.Context, run *Run) (Verdict, error) {
	verdict, err := schemaDone(ctx, run, copy.PostData, schema.Whole)
	if err != nil || verdict.RunNeeded {
		return verdict, err
	}
	green, err := run.green(ctx)
	if err != nil {
		return Verdict{}, err
	}
	for _, db := range run.Status.Databases {
		held, over, err := heldBack(ctx, run, green, db)
		switch {
		case err != nil:
			return Verdict{}, err
		case held && over:
			return act("replication to go on in database %q", db), nil
		case held:
			return waiting(BuildIndexes, "the Job of database %q is ending", db), nil
		}
	}
	return verdict, nil
}

// buildIndexesRun pauses replication while a Job runs, since an apply worker and a session
// that builds indexes would block each other; replication continues when the Job is done.
func buildIndexesRun(ctx context.Context, run *Run) error {
	green, err := run.green(ctx)
	if err != nil {
		return err
	}
	return eachDatabase(ctx, run, func(ctx context.Context, db string) error {
		job, err := schemaJob(ctx, run, copy.PostData, db)
		if err != nil {
			return err
		}
		_, found, err := run.Cluster.Job(ctx, job.Name)
		if err != nil {
			return err
		}
		if found {
			if held, over, err := heldBack(ctx, run, green, db); err != nil || !held || !over {
				return err
			}
			return replication.SetSubscriptionEnabled(ctx, green, db, run.Names().Subscription(db, run.Status.To), true)
		}
		if err := replication.SetSubscriptionEnabled(ctx, green, db, run.Names().Subscription(db, run.Status.To), false); err != nil {
			return err
		}
		return run.Cluster.CreateJob(ctx, job)
	})
}

// heldBack says whether a database's replication is paused for a Job, and whether that Job is
// over.
func heldBack(ctx context.Context, run *Run, green postgres.Server, db string) (held, over bool, err error) {
	state, err := replication.SubscriptionState(ctx, green, db, run.Names().Subscription(db, run.Status.To))
	if err != nil || !state.Exists || state.Enabled {
		return false, false, err
	}
	job, err := schemaJob(ctx, run, copy.PostData, db)
	if err != nil {
		return true, false, err
	}
	fate, found, err := run.Cluster.Job(ctx, job.Name)
	return true, !found || fate.Succeeded || fate.Failed, err
}
