package steps

import (
	"context"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// copySchemaDone: every database is on green with all that the data needs: tables,
// types, functions, and the keys by which replication finds rows.
func copySchemaDone(ctx context.Context, run *Run) (Verdict, error) {
	verdict, err := schemaDone(ctx, run, copy.PreData, schema.PreData)
	if err != nil || !verdict.Done || !GivesIdentities(run.Upgrade) {
		return verdict, err
	}
	blue, err := run.blue(ctx)
	if err != nil {
		return Verdict{}, err
	}
	return alsoSaid(verdict)(showIdentities(ctx, run, blue))
}

// copySchemaRun makes the databases, fenced from their birth, then one Job each. Tables of blue have their replica identity by
// then, so that green gets the same.
func copySchemaRun(ctx context.Context, run *Run) error {
	blue, green, err := run.both(ctx)
	if err != nil {
		return err
	}
	databases, err := applicationDatabases(ctx, run, blue)
	if err != nil {
		return err
	}
	// again: a controller that was updated since finds its own register
	if err := run.Register(ctx, green); err != nil {
		return err
	}
	if err := transfer.CreateDatabases(ctx, blue, green, databases); err != nil {
		return err
	}
	return eachDatabase(ctx, run, func(ctx context.Context, db string) error {
		if err := giveIdentities(ctx, run, blue, green, db); err != nil {
			return err
		}
		job, err := schemaJob(ctx, run, copy.PreData, db)
		if err != nil {
			return err
		}
		return run.Cluster.CreateJob(ctx, job)
	})
}
