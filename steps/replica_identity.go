package steps

import (
	"context"
	"fmt"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// shownIdentities is how many of the given identities the status shows.
const shownIdentities = 20

// GivesIdentities says whether Gitover may give tables a replica identity.
func GivesIdentities(u *v1alpha1.PgUpgrade) bool { return u.Spec.ReplicaIdentity == "Auto" }

// giveIdentities on blue, before its schema is copied: green then has the same, with the index that replication needs. If
// the schema was copied before, green gets the later ones.
func giveIdentities(ctx context.Context, run *Run, blue, green postgres.Server, db string) error {
	if !GivesIdentities(run.Upgrade) {
		return nil
	}
	if err := giveIdentitiesTo(ctx, run, blue, db); err != nil {
		return err
	}
	return replication.SameIdentities(ctx, blue, green, db, run.Names())
}

// giveIdentitiesTo one side alone, with indexes that serve both versions.
func giveIdentitiesTo(ctx context.Context, run *Run, side postgres.Server, db string) error {
	if !GivesIdentities(run.Upgrade) {
		return nil
	}
	return replication.GiveIdentities(ctx, side, db, run.Names(), max(run.version(run.Status.From), run.version(run.Status.To)))
}

// giveIdentitiesToBoth sides, to tables that were created since.
func giveIdentitiesToBoth(ctx context.Context, run *Run, serving, following postgres.Server, db string) error {
	if !GivesIdentities(run.Upgrade) {
		return nil
	}
	return replication.GiveIdentitiesToBoth(ctx, serving, following, db, run.Names())
}

// showIdentities fills status.replicaIdentities with the identities that tables of a server were given, and describes them;
// empty if there are none.
func showIdentities(ctx context.Context, run *Run, s postgres.Server) (string, error) {
	var all []v1alpha1.TableReplicaIdentity
	var words []string
	for _, db := range run.Status.Databases {
		given, err := replication.GivenIdentities(ctx, s, db, run.Names())
		if err != nil {
			return "", err
		}
		for _, g := range given {
			if g.Table != "" {
				all = append(all, v1alpha1.TableReplicaIdentity{Database: db, Table: g.Table, Identity: g.Given, Former: g.Former})
				words = append(words, fmt.Sprintf("%s (database %q)", g, db))
			}
		}
	}
	if len(all) == 0 {
		run.Status.ReplicaIdentities = nil
		return "", nil
	}
	run.Status.ReplicaIdentities = &v1alpha1.ReplicaIdentitiesStatus{Tables: int32(len(all)), First: all[:min(len(all), shownIdentities)]}
	return "for the time of the upgrade, Gitover gave " + some(words), nil
}

// identitiesToGive says which tables of list get a replica identity, in words; empty: none.
func identitiesToGive(run *Run, list []replication.UnreplicatedTable) string {
	if !GivesIdentities(run.Upgrade) {
		return ""
	}
	var words []string
	for _, u := range list {
		if u.Keyless && u.Remedy != "" {
			words = append(words, fmt.Sprintf("table %s REPLICA IDENTITY %s", u.Table, u.Remedy))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return "Gitover gives, on both sides, " + some(words)
}

// alsoSaid adds to a verdict's message.
func alsoSaid(v Verdict) func(string, error) (Verdict, error) {
	return func(words string, err error) (Verdict, error) {
		if words != "" {
			v.Message += "; " + words
		}
		return v, err
	}
}

// IdentitiesThatStay says, before anything is removed from a server, which tables don't get their former identity back,
// and why. Reads only.
func IdentitiesThatStay(ctx context.Context, s postgres.Server, databases []string, names postgres.Names) (string, error) {
	var words []string
	for _, db := range databases {
		given, err := replication.GivenIdentities(ctx, s, db, names)
		if err != nil {
			return "", err
		}
		for _, g := range given {
			if why := g.Stays(); why != "" {
				words = append(words, fmt.Sprintf("table %s of database %q keeps REPLICA IDENTITY %s, not %s as before the upgrade: %s", g.Table, db, g.Now, g.Former, why))
			}
		}
	}
	if len(words) == 0 {
		return "", nil
	}
	return "on " + s.Instance + ", " + some(words), nil
}
