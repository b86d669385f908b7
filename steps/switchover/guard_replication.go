package switchover

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// guardReplication: each database's subscription runs, knows every table, is not far behind,
// and a row arrives.
func guardReplication(ctx context.Context, in Input) ([]Obstacle, error) {
	found := make([][]Obstacle, len(in.Databases))
	numbers := map[string]int{}
	for i, db := range in.Databases {
		numbers[db] = i
	}
	err := eachDatabase(ctx, in.Databases, func(ctx context.Context, db string) (err error) {
		found[numbers[db]], err = guardDatabase(ctx, in, db)
		return err
	})
	return flatten(found), err
}

func guardDatabase(ctx context.Context, in Input, db string) ([]Obstacle, error) {
	name := in.Names.Subscription(db, in.To.Instance)
	state, err := replication.SubscriptionState(ctx, in.To, db, name)
	if err != nil {
		return nil, err
	}
	if state.Exists && state.Enabled && state.Running {
		found, err := guardTables(ctx, in, db)
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	if !state.ReplicationReady() {
		return []Obstacle{obstacle(NotReplicating, "database %q does not replicate to %s: %s", db, in.To.Instance, whyNot(state))}, nil
	}
	lag, err := replication.Lag(ctx, in.From, db, in.Names.Slot(db, in.To.Instance))
	if err != nil {
		return nil, err
	}
	if lag > in.Limits.LagBytes {
		return []Obstacle{obstacle(Lagging, "database %q of %s is %d bytes behind; the limit is %d", db, in.To.Instance, lag, in.Limits.LagBytes)}, nil
	}
	id, err := replication.CommitMarker(ctx, in.From, db)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, guardMarkerWait)
	defer cancel()
	err = replication.AwaitMarker(ctx, in.From, in.To, db, id)
	if errors.Is(err, context.DeadlineExceeded) {
		return []Obstacle{obstacle(Lagging, "a row of database %q did not reach %s within %s: PostgreSQL's log there says why; can it reach %s?", db, in.To.Instance, guardMarkerWait, in.From.Instance)}, nil
	}
	return nil, err
}

// guardTables: PostgreSQL skips the changes of a table that was created on both sides and that the
// subscription doesn't know. The guard makes the subscription replicate such tables, since nothing else may
// do so before the switch: traffic isn't held yet, and the switch waits while they are copied.
func guardTables(ctx context.Context, in Input, db string) ([]Obstacle, error) {
	if in.Scope.GiveIdentities {
		err := replication.GiveIdentitiesToBoth(ctx, in.From, in.To, db, in.Names)
		if replication.TableInUse(err) {
			return []Obstacle{obstacle(NotReplicating, "%v", err)}, nil
		}
		if err != nil {
			return nil, err
		}
	}
	left, err := replication.RefreshPublication(ctx, in.From, in.To, db, in.Names, schema.Whole)
	if err != nil || len(left) == 0 {
		return nil, err
	}
	return []Obstacle{obstacle(NotReplicating, "database %q does not replicate all tables to %s: %s",
		db, in.To.Instance, replication.DescribeUnreplicated(left, in.To.Instance))}, nil
}

func whyNot(s replication.Subscription) string {
	switch {
	case !s.Exists:
		return "there is no subscription"
	case !s.Enabled:
		return "the subscription is disabled"
	case !s.Running:
		return "its apply worker is not running; the server's log says why"
	}
	return "tables are still being copied"
}

// guardSchema: both sides of each database have the same structure. DDL isn't replicated.
func guardSchema(ctx context.Context, in Input) ([]Obstacle, error) {
	found := make([][]Obstacle, len(in.Databases))
	numbers := map[string]int{}
	for i, db := range in.Databases {
		numbers[db] = i
	}
	err := eachDatabase(ctx, in.Databases, func(ctx context.Context, db string) error {
		drift, err := schema.Compare(ctx, in.From, in.To, db, schema.Whole)
		if err != nil || len(drift.Differences) == 0 {
			return err
		}
		ddl, err := schema.EqualizingDDL(ctx, in.From, in.To, db, drift)
		words := fmt.Sprintf("the schema of database %q differs on %s: %s", db, in.To.Instance, few(drift.Differences))
		if len(ddl.Statements) > 0 {
			words += fmt.Sprintf(". Run there: %s;", ddl.Text())
		}
		found[numbers[db]] = []Obstacle{obstacle(SchemaDrift, "%s", words)}
		return err
	})
	return flatten(found), err
}

// guardRoles: the new side has every role as the old side has it.
func guardRoles(ctx context.Context, in Input) ([]Obstacle, error) {
	from, err := transfer.RolesFingerprint(ctx, in.From)
	if err != nil {
		return nil, err
	}
	to, err := transfer.RolesFingerprint(ctx, in.To)
	if err != nil {
		return nil, err
	}
	if d := from.Diff(to); len(d) > 0 {
		return []Obstacle{obstacle(RolesDrift, "roles differ on %s: %s", in.To.Instance, few(d))}, nil
	}
	return nil, nil
}

// few names the first differences and counts the others.
func few(differences []string) string {
	const shown = 5
	if len(differences) <= shown {
		return strings.Join(differences, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(differences[:shown], "; "), len(differences)-shown)
}
