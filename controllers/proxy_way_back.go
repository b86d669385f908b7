package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
)

// followTimeout bounds a look at the way back, which is well below a second a database where servers
// answer.
const followTimeout = 30 * time.Second

// wayBack keeps RollbackReady true to the reverse replication. Its error is one of the
// server that clients use.
func (r *ProxyReconciler) wayBack(ctx context.Context, x *pair) error {
	p, s := x.proxy, x.upgrade.Status
	soaking := (s.Workflow == steps.Upgrade && s.Step == steps.Soak) || s.Workflow == steps.RolledBack
	other := s.From
	if p.Status.Active == s.From {
		other = s.To
	}
	if !soaking || other == "" {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonNoWayBack, "no other instance follows %s", p.Status.Active)
		return nil
	}
	active, err := serverOf(ctx, r.Uncached, x.upgrade, p.Status.Active)
	if err != nil {
		return err
	}
	follower, err := serverOf(ctx, r.Uncached, x.upgrade, other)
	if err != nil {
		return err
	}
	names := postgres.Names{UID: string(x.upgrade.UID)}
	unknown := func(err error) {
		if ctx.Err() != nil { // not the servers' fault
			return
		}
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, meaningOf(err, v1alpha1.ReasonReplicationBroken).reason,
			"can't tell whether %s follows: %v", other, err)
	}
	looking, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	replaced, err := steps.Replaced(looking, steps.KnownServers(s, p), x.upgrade.Spec.Acknowledge, active, follower)
	if err != nil {
		unknown(err)
		return nil
	}
	if replaced != "" {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicationBroken,
			"%s; rows that it had may be missing, so they are compared before a revert counts", replaced)
		return nil
	}
	for _, db := range s.Databases {
		// before schemas are compared, since it makes them equal
		if err := giveIdentities(looking, x.upgrade, active, follower, db); err != nil {
			unknown(err)
			return nil
		}
		slot, err := postgres.SlotState(looking, active, names.Slot(db, other))
		if err != nil {
			unknown(err)
			return err
		}
		trouble, err := follows(looking, &r.memory, active, follower, names, db, slot)
		if err != nil {
			unknown(err)
			return nil
		}
		if trouble != "" {
			conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicationBroken, "%s does not follow: %s", other, trouble)
			return nil
		}
	}
	left, err := postgres.LeftBehind(ctx, active, s.Databases, scopeOf(x.upgrade))
	if err != nil {
		unknown(err)
		return err
	}
	if len(left) > 0 {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicationBroken, "a revert has to wait: %s", strings.Join(left, "; "))
		return nil
	}
	conditions.MarkTrue(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicating, "%s follows; a revert returns traffic to it and loses nothing", other)
	return nil
}

// scopeOf is what the spec says of databases.
func scopeOf(u *v1alpha1.PgUpgrade) postgres.Scope {
	return postgres.Scope{Include: u.Spec.Databases.Include, Exclude: u.Spec.Databases.Exclude, Acknowledged: u.Spec.Acknowledge,
		GiveIdentities: steps.GivesIdentities(u)}
}

// giveIdentities to tables that came during the soak without one, if the spec says so.
func giveIdentities(ctx context.Context, u *v1alpha1.PgUpgrade, active, follower postgres.Server, db string) error {
	if !steps.GivesIdentities(u) {
		return nil
	}
	return postgres.GiveIdentitiesToBoth(ctx, active, follower, db, postgres.Names{UID: string(u.UID)})
}

// follows says what is wrong with a database's replication; nothing if empty. The follower's
// connection is renewed if a Secret or the spec changed, and a table that was made
// on both sides is taken up first: no switch is in progress here.
func follows(ctx context.Context, m *memory, active, follower postgres.Server, names postgres.Names, db string, slot postgres.Slot) (trouble string, err error) {
	if _, err := postgres.RenewConnection(ctx, active, follower, db, names); err != nil {
		return "", err
	}
	state, err := postgres.SubscriptionState(ctx, follower, db, names.Subscription(db, follower.Instance))
	if err != nil {
		return "", err
	}
	switch {
	case !slot.Exists || slot.Lost:
		return fmt.Sprintf("the slot for database %q is lost", db), nil
	case !state.Exists || !state.Enabled:
		return fmt.Sprintf("the subscription in database %q is missing or disabled", db), nil
	}
	trouble, err = m.schemas.look(names.UID+"/"+db, time.Now, func() (string, error) { return drift(ctx, active, follower, db) })
	if trouble != "" || err != nil {
		return trouble, err
	}
	// only now: a schema that changed says more than what stopped by it
	if trouble, err = m.workers.Trouble(ctx, active, follower, db, names, time.Now()); trouble != "" || err != nil {
		return trouble, err
	}
	if !slot.Active {
		return fmt.Sprintf("nobody reads the slot for database %q; PostgreSQL's log on %s says why", db, follower.Instance), nil
	}
	left, err := postgres.FollowTables(ctx, active, follower, db, names, postgres.WholeSchema)
	if err != nil || len(left) == 0 {
		return "", err
	}
	return fmt.Sprintf("database %q: %s", db, postgres.FewUnfollowed(left, follower.Instance)), nil
}

// drift says how the schema of the side that serves has changed since a switch; nothing if it hasn't.
func drift(ctx context.Context, active, follower postgres.Server, db string) (string, error) {
	found, err := postgres.SchemaDrift(ctx, active, follower, db, postgres.WholeSchema)
	if err != nil || len(found.Differences) == 0 {
		return "", err
	}
	return fmt.Sprintf("the schema of database %q changed on %s: %s; apply the same change on %s", db, active.Instance, found.Differences[0], follower.Instance), nil
}

// memory of what was seen at earlier looks.
type memory struct {
	workers postgres.Workers
	schemas paces
}
