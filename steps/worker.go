package steps

import (
	"context"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
)

// stoppedWorker tells of an apply worker that fails or doesn't run. It is asked after what says more: a
// lost slot, a table that is missing.
func stoppedWorker(ctx context.Context, run *Run, publisher, subscriber postgres.Server) (*Verdict, error) {
	if run.Workers == nil || run.switching() {
		return nil, nil
	}
	for _, db := range run.Status.Databases {
		trouble, err := run.Workers.Trouble(ctx, publisher, subscriber, db, run.Names(), run.Now())
		if err != nil {
			return nil, err
		}
		if trouble != "" {
			v := waiting(v1alpha1.ReasonReplicationBroken, "%s", trouble)
			return &v, nil
		}
	}
	return nil, nil
}

// rollbackStopped is the same of the rollback path. A side that follows and can't be asked is PgProxy's to tell, and holds
// up no soak.
func rollbackStopped(ctx context.Context, run *Run, publisher, subscriber string) *Verdict {
	active, follower, err := run.pair(ctx, publisher, subscriber)
	if err != nil {
		return nil
	}
	v, err := stoppedWorker(ctx, run, active, follower)
	if err != nil {
		return nil
	}
	return v
}
