package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/controllers/pace"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/postgres/schema"
)

// followTimeout bounds a look at the rollback path, which is well below a second a database where servers
// answer.
const followTimeout = 30 * time.Second

// rollbackLook is how often the rollback path is looked at: people may count on it.
const rollbackLook = 3 * time.Second

// follows names the side that follows in a soak, or after a rollback; empty if none does.
func follows(x *proxyScope) string {
	s := x.upgrade.Status
	switch {
	case (s.Workflow != steps.Upgrade || s.Step != steps.Soak) && s.Workflow != steps.RolledBack && (s.Workflow != steps.RevertCutover || !steps.RevertDecided(s)):
		return ""
	case x.proxy.Status.Active == s.From:
		return s.To
	}
	return s.From
}

// rollbackUnknown: the side that serves doesn't answer.
func rollbackUnknown(x *proxyScope, err error) {
	if other := follows(x); other != "" {
		conditions.MarkFalse(x.proxy, v1alpha1.RollbackReadyCondition, outcome.ReasonOf(err, v1alpha1.ReasonServerUnreachable).Reason,
			"can't tell whether %s follows: %v", other, err)
	}
}

// rollbackPath sets RollbackReady from the state of the reverse replication. It returns errors
// of the serving side only.
func (r *ProxyReconciler) rollbackPath(ctx context.Context, x *proxyScope) error {
	p, s := x.proxy, x.upgrade.Status
	other := follows(x)
	if other == "" {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonRollbackUnavailable, "no other instance follows %s", p.Status.Active)
		return nil
	}
	if again := failover.Opened(s, p); again != nil {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonPrimaryReplaced,
			"%s let applications in, though %s serves, and is fenced again; rows are compared before a revert counts", again.Instance, p.Status.Active)
		return nil
	}
	if f := s.Failover; f != nil {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonPrimaryReplaced, "%s; %s is brought up to date, and rows are compared", f.Message, other)
		return nil
	}
	active, err := access.ServerOf(ctx, r.Uncached, x.upgrade, p.Status.Active)
	if err != nil {
		return err
	}
	unknown := func(err error) {
		if ctx.Err() != nil { // not the servers' fault
			return
		}
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, outcome.ReasonOf(err, v1alpha1.ReasonReplicationBroken).Reason,
			"can't tell whether %s follows: %v", other, err)
	}
	follower, err := access.ServerOf(ctx, r.Uncached, x.upgrade, other)
	if err != nil {
		unknown(err) // its Secret may have gone with its cluster
		return nil
	}
	names := postgres.Names{UID: string(x.upgrade.UID)}
	looking, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	replaced, err := failover.Replaced(looking, failover.KnownServers(s, p), x.upgrade.Spec.Acknowledge, active, follower)
	if err != nil {
		unknown(err)
		return nil
	}
	if replaced != "" {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonPrimaryReplaced,
			"%s; rows that it had may be missing, so they are compared before a revert counts", replaced)
		return nil
	}
	reverse := reverseReplication{active: active, follower: follower, names: names, memory: &r.memory, giveIdentities: steps.GivesIdentities(x.upgrade)}
	if last := lastSwitch(p); last != nil {
		since := r.Now().Sub(last.FinishedAt.Time) // less than nothing: a clock was set back
		reverse.starting = since >= 0 && since < startsWithin
	}
	trouble, activeErr, err := reverse.keepUp(looking, s.Databases)
	switch {
	case activeErr != nil:
		unknown(activeErr)
		return activeErr
	case errors.Is(err, errStarting):
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonStarting, "%s begins to follow", other)
		x.soon = true
		return nil
	case err != nil:
		unknown(err)
		return nil
	case trouble != "":
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicationBroken, "%s does not follow: %s", other, trouble)
		return nil
	}
	if v := s.Verification; v != nil && len(v.Mismatches) > 0 {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonVerificationFailed,
			"rows on %s differ, as a comparison at %s found: %s", other, v.At.UTC().Format("2006-01-02 15:04:05 UTC"), v.Mismatches[0])
		return nil
	}
	left, err := preflight.LeftBehind(ctx, active, s.Databases, steps.ScopeOf(x.upgrade))
	if err != nil {
		unknown(err)
		return err
	}
	if len(left) > 0 {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicationBroken, "a revert has to wait: %s", strings.Join(left, "; "))
		return nil
	}
	if reason, words := r.undelivered(ctx, x); reason != "" {
		conditions.MarkFalse(p, v1alpha1.RollbackReadyCondition, reason, "%s", words)
		return nil
	}
	conditions.MarkTrue(p, v1alpha1.RollbackReadyCondition, v1alpha1.ReasonReplicating, "%s follows; a revert returns traffic to it and loses nothing", other)
	return nil
}

// reverseReplication is what is watched during a soak, or during the wait after a rollback.
type reverseReplication struct {
	active, follower postgres.Server
	names            postgres.Names
	memory           *memory
	// giveIdentities: tables that are created without a replica identity get one.
	giveIdentities bool
	// starting: a switch has just made it.
	starting bool
}

// startsWithin is how long a subscriber may take to connect after a switch before that is reported
// as a problem.
const startsWithin = 15 * time.Second

// errStarting: the subscriber is about to connect.
var errStarting = errors.New("replication begins")

// lastSwitch that moved traffic, if that was the last thing that happened.
func lastSwitch(p *v1alpha1.PgProxy) *v1alpha1.SwitchRecord {
	if len(p.Status.Switches) == 0 || p.Status.Switches[0].Outcome != "Switched" {
		return nil
	}
	return &p.Status.Switches[0]
}

// keepUp maintains the replication of databases, and says what is still wrong with it; empty if nothing is. activeErr is the
// error of the serving side; err is errStarting if replication is about to begin.
func (r reverseReplication) keepUp(ctx context.Context, databases []string) (trouble string, activeErr, err error) {
	links, activeErr, err := replication.Links(ctx, r.active, r.follower, r.names, databases)
	if activeErr != nil || err != nil {
		return "", activeErr, err
	}
	left, err := r.maintain(ctx, links, databases)
	if err != nil {
		return "", nil, err
	}
	trouble, err = r.trouble(ctx, links, left, databases)
	return trouble, nil, err
}

// maintain keeps the other side following: it renews the connection if a Secret or the spec changed, gives new tables a
// replica identity where the spec says so, and replicates tables that were created on both sides. No switch is in progress
// here. A second call finds the first one's work. left says by database what isn't replicated yet.
func (r reverseReplication) maintain(ctx context.Context, links map[string]replication.Link, databases []string) (left map[string]string, err error) {
	left = make(map[string]string, len(databases))
	for _, db := range databases {
		link := links[db]
		if link.Stale {
			if _, err := replication.RenewConnection(ctx, r.active, r.follower, db, r.names); err != nil {
				return nil, err
			}
		}
		if severed(db, link) != "" {
			continue
		}
		left[db], err = r.memory.tables.Look(r.key(db), len(databases), time.Now, func() (string, error) { return r.maintainTables(ctx, db) })
		if err != nil {
			return nil, err
		}
	}
	return left, nil
}

// maintainTables says what is left to do, so that it is done soon.
func (r reverseReplication) maintainTables(ctx context.Context, db string) (left string, err error) {
	if r.giveIdentities {
		if err := replication.GiveIdentitiesToBoth(ctx, r.active, r.follower, db, r.names); err != nil {
			return "", err
		}
	}
	tables, err := replication.RefreshPublication(ctx, r.active, r.follower, db, r.names, schema.Whole)
	if err != nil || len(tables) == 0 {
		return "", err
	}
	return fmt.Sprintf("database %q: %s", db, replication.DescribeUnreplicated(tables, r.follower.Instance)), nil
}

// severed says what ended the replication of a database for good; empty if nothing did.
func severed(db string, link replication.Link) string {
	switch {
	case !link.SlotExists || link.SlotLost:
		return fmt.Sprintf("the slot for database %q is lost", db)
	case !link.Subscription.Exists || !link.Subscription.Enabled:
		return fmt.Sprintf("the subscription in database %q is missing or disabled", db)
	}
	return ""
}

// trouble says what is wrong; empty if nothing is. Reads only.
func (r reverseReplication) trouble(ctx context.Context, links map[string]replication.Link, left map[string]string, databases []string) (string, error) {
	for _, db := range databases {
		trouble, err := r.troubleIn(ctx, db, links[db], len(databases))
		if trouble == "" && err == nil {
			trouble = left[db]
		}
		if trouble != "" || err != nil {
			return trouble, err
		}
	}
	return "", nil
}

// troubleIn is trouble for one database of many.
func (r reverseReplication) troubleIn(ctx context.Context, db string, link replication.Link, many int) (string, error) {
	if trouble := severed(db, link); trouble != "" {
		return trouble, nil
	}
	// the schema comes first: its change explains why replication stopped
	trouble, err := r.memory.schemas.Look(r.key(db), many, time.Now, func() (string, error) { return r.drift(ctx, db) })
	if trouble != "" || err != nil {
		return trouble, err
	}
	if stopped := r.memory.workers.TroubleOf(ctx, link.Subscription, r.active, r.follower, db, r.names, time.Now()); stopped != "" {
		return stopped, nil
	}
	switch {
	case !link.SlotActive && r.starting:
		return "", errStarting
	case !link.SlotActive:
		return fmt.Sprintf("nothing reads the slot for database %q; PostgreSQL's log on %s says why", db, r.follower.Instance), nil
	}
	return "", nil
}

// key of a database in the memory.
func (r reverseReplication) key(db string) string { return r.names.UID + "/" + db }

// drift says how the schema of the serving side has changed since a switch; empty if it hasn't.
func (r reverseReplication) drift(ctx context.Context, db string) (string, error) {
	found, err := schema.Compare(ctx, r.active, r.follower, db, schema.Whole)
	if err != nil || len(found.Differences) == 0 {
		return "", err
	}
	ddl, err := schema.EqualizingDDL(ctx, r.active, r.follower, db, found)
	if err != nil {
		return "", err
	}
	words := fmt.Sprintf("the schema of database %q changed on %s: %s; apply the same change on %s", db, r.active.Instance, found.Differences[0], r.follower.Instance)
	if len(ddl.Statements) > 0 {
		words += ": " + ddl.Text()
	}
	return words, nil
}

// memory of what was seen at earlier looks.
type memory struct {
	workers replication.Workers
	// schemas and tables of a database cost sessions in it
	schemas, tables pace.Memory
}
