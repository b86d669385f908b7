package steps

import (
	"context"
	"fmt"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
)

// unreplicatedTables looks for tables that were created after green subscribed: replication skips
// their changes, or fails at them. It acts if Gitover can have them copied, or can reset what a copy
// needed, and otherwise says what to do. Nil if every table is replicated, and while CopyData, which
// reports this itself, has tables to copy.
func unreplicatedTables(ctx context.Context, run *Run, blue, green postgres.Server) (*Verdict, error) {
	return inEachDatabase(run, func(db string) (*Verdict, error) { return unreplicatedTablesIn(ctx, run, blue, green, db) })
}

func unreplicatedTablesIn(ctx context.Context, run *Run, blue, green postgres.Server, db string) (*Verdict, error) {
	if back, err := copyAgain(ctx, run, blue, green, db); back != nil || err != nil {
		return back, err
	}
	left, err := replication.UnreplicatedTables(ctx, blue, green, db, run.Names())
	if err != nil {
		return nil, err
	}
	left, later := withoutLater(run, left)
	var stuck []replication.UnreplicatedTable
	missing := false
	for _, u := range left {
		if u.State == "" || u.DroppedOnPublisher || u.Again {
			stuck = append(stuck, u)
			missing = missing || u.Missing
		}
	}
	var v Verdict
	switch words := replication.DescribeUnreplicated(stuck, green.Instance); {
	case missing:
		drift, err := drifted(ctx, run, blue, green, db, words, run.schemaPart())
		if drift != nil || err != nil {
			return drift, err
		}
		v = waiting(v1alpha1.ReasonSchemaDrift, "database %q: %s", db, words) // it was created just now
	case len(left) == 0 && later:
		return nil, nil
	case len(left) == 0:
		if run.Status.Step != CopyData { // which is done nevertheless, so that indexes are built meanwhile
			if drift, err := drifted(ctx, run, blue, green, db, "", run.schemaPart()); drift != nil || err != nil {
				return drift, err
			}
		}
		state, err := replication.SubscriptionState(ctx, green, db, run.Names().Subscription(db, green.Instance))
		if err != nil {
			return nil, err
		}
		if !state.DurableCommits || run.switching() {
			return nil, nil
		}
		v = act("database %q: every table is copied", db)
	case len(stuck) < len(left) && run.Status.Step == CopyData:
		return nil, nil
	case len(stuck) < len(left):
		if v, err = copying(ctx, run, green); err != nil {
			return nil, err
		}
		v.Message = fmt.Sprintf("database %q: %s%s", db, replication.DescribeUnreplicated(left, green.Instance), v.Message)
	case identitiesToGive(run, stuck) != "" && !run.switching():
		v = act("database %q: %s", db, identitiesToGive(run, stuck))
	case !replication.CanFollow(stuck) || run.switching():
		v = waiting(v1alpha1.ReasonReplicationBroken, "database %q: %s", db, words)
	default:
		if !replication.AnyDropped(stuck) {
			if drift, err := drifted(ctx, run, blue, green, db, words, run.schemaPart()); drift != nil || err != nil {
				return drift, err
			}
		}
		v = act("database %q: %s", db, words)
	}
	return &v, nil
}

// withoutLater leaves out tables that get a replica identity only when green has all indexes, and says whether there are
// any.
func withoutLater(run *Run, left []replication.UnreplicatedTable) (now []replication.UnreplicatedTable, later bool) {
	if run.Status.Step != CopyData {
		return left, false
	}
	for _, u := range left {
		if identitiesToGive(run, []replication.UnreplicatedTable{u}) == "" {
			now = append(now, u)
		}
	}
	return now, len(now) < len(left)
}

// copyAgain returns to CopyData if a table of a database can't be finished any more; no other step copies a
// database again. Nil if there is none.
func copyAgain(ctx context.Context, run *Run, blue, green postgres.Server, db string) (*Verdict, error) {
	if run.Status.Step == CopyData || run.switching() {
		return nil, nil
	}
	orphaned, err := replication.OrphanedTableSyncs(ctx, blue, green, db, run.Names())
	if err != nil || len(orphaned) == 0 {
		return nil, err
	}
	run.Status.Verification, run.Status.Comparing = nil, nil
	return &Verdict{ReturnTo: CopyData, Message: orphanedText(run, db, orphaned)}, nil
}

// copying is the verdict while tables are copied after CopyData, with the failures of the copy
// in its message.
func copying(ctx context.Context, run *Run, green postgres.Server) (Verdict, error) {
	var failures int64
	var failed []string
	for _, db := range run.Status.Databases {
		state, err := replication.SubscriptionState(ctx, green, db, run.Names().Subscription(db, green.Instance))
		if err != nil {
			return Verdict{}, err
		}
		failures += state.Failures()
		tables, err := replication.FailedCopies(ctx, green, db, run.Names())
		if err != nil {
			return Verdict{}, err
		}
		failed = append(failed, tables...)
	}
	showFailures(run, failures)
	if len(failed) == 0 && (failures == 0 || !failedLately(run)) {
		return waiting(run.Status.Step, ""), nil
	}
	return waiting(v1alpha1.ReasonReplicationBroken, "; %s", failuresText(run, failed)), nil
}

// switching: the PgProxy controller moves traffic, and only it may change replication.
func (r *Run) switching() bool { return r.Proxy != nil && r.Proxy.Status.Switch != nil }

// schemaPart is the part of the schema that green must have by now: one half before its indexes are built.
func (r *Run) schemaPart() schema.Part {
	if r.Status.Step == CopyData {
		return schema.PreData
	}
	return schema.Whole
}

// followRun adds tables that were created on both sides after green subscribed to its subscription.
func followRun(ctx context.Context, run *Run) error {
	blue, green, err := run.both(ctx)
	if err != nil {
		return err
	}
	return eachDatabase(ctx, run, func(ctx context.Context, db string) error {
		if run.Status.Step != CopyData {
			if err := giveIdentitiesToBoth(ctx, run, blue, green, db); err != nil {
				return err
			}
		}
		_, err := replication.RefreshPublication(ctx, blue, green, db, run.Names(), run.schemaPart())
		return err
	})
}
