package steps

import (
	"context"

	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/tablecopy"
)

// buildIndexesDone: green has blue's schema, with all indexes and triggers, and replication
// runs.
func buildIndexesDone(ctx context.Context, run *Run) (Verdict, error) {
	if run.parallel() {
		if v, err := foreignKeysLeft(ctx, run); v != nil || err != nil {
			return ptr.Deref(v, Verdict{}), err
		}
	}
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

// foreignKeysLeft: a parallel copy whose snapshot was lost has tables of several moments, whose foreign keys hold once replication has reached the last
// one. Nil if all are there.
func foreignKeysLeft(ctx context.Context, run *Run) (*Verdict, error) {
	blue, green, err := run.both(ctx)
	if err != nil {
		return nil, err
	}
	return inEachDatabase(run, func(db string) (*Verdict, error) {
		left, err := tablecopy.ForeignKeysLeft(ctx, blue, green, db)
		if err != nil || len(left) == 0 {
			return nil, err
		}
		state, err := replication.SubscriptionState(ctx, green, db, run.Names().Subscription(db, green.Instance))
		if err != nil {
			return nil, err
		}
		v := waiting(BuildIndexes, "database %q: replication to reach the last snapshot, before foreign keys are added", db)
		if state.Ready == state.Tables {
			v = slowly("database %q: %d foreign keys to add or to validate", db, len(left))
			v.Effect = func(ctx context.Context, _ *Run) error { return tablecopy.AddForeignKeys(ctx, green, db, left) }
		}
		return &v, nil
	})
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
