// Package failover tells the primary of an instance from one that replaced it, and what each of them lacks.
package failover

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/switchover"
)

// KnownServers are the servers that are known to hold the same rows on both sides: those that were compared without a
// difference, and those of the last switch between the two. Empty if nothing is known.
func KnownServers(status v1alpha1.PgUpgradeStatus, p *v1alpha1.PgProxy) map[string][]postgres.Identity {
	known := map[string][]postgres.Identity{}
	add := func(servers []v1alpha1.ServerIdentity) {
		for _, s := range servers {
			known[s.Instance] = append(known[s.Instance], IdentityOf(s))
		}
	}
	if v := status.Verification; v != nil && len(v.Mismatches) == 0 {
		add(v.Servers)
	}
	if p != nil {
		for _, s := range p.Status.Switches {
			if s.Outcome != "Switched" {
				continue
			}
			if s.FinishedAt.Time.Before(began(status)) {
				break // it belongs to an earlier run, whose instances had the same names
			}
			if pair := []string{status.From, status.To}; slices.Contains(pair, s.From) && slices.Contains(pair, s.To) {
				add(s.Servers)
			}
			break
		}
	}
	return known
}

// Served says whether an instance has served in the run: a switch led to or from it since the run began, or it is the one that the upgrade leaves.
func Served(status v1alpha1.PgUpgradeStatus, p *v1alpha1.PgProxy, instance string) bool {
	return instance == status.From || slices.ContainsFunc(p.Status.Switches, func(s v1alpha1.SwitchRecord) bool {
		return s.Outcome == "Switched" && (s.From == instance || s.To == instance) && !s.FinishedAt.Time.Before(began(status))
	})
}

// began is when the run's first step began; zero while unknown.
func began(status v1alpha1.PgUpgradeStatus) (first time.Time) {
	for _, s := range status.Steps {
		if s.StartedAt != nil && (first.IsZero() || s.StartedAt.Time.Before(first)) {
			first = s.StartedAt.Time
		}
	}
	return first
}

// IdentityOf a server in the status.
func IdentityOf(s v1alpha1.ServerIdentity) postgres.Identity {
	return postgres.Identity{System: s.SystemIdentifier, Timeline: s.Timeline}
}

// Identities of servers, for the status.
func Identities(ctx context.Context, servers ...postgres.Server) ([]v1alpha1.ServerIdentity, error) {
	var found []v1alpha1.ServerIdentity
	for _, s := range servers {
		id, err := postgres.IdentityOf(ctx, s)
		if err != nil {
			return nil, err
		}
		found = append(found, v1alpha1.ServerIdentity{Instance: s.Instance, SystemIdentifier: id.System, Timeline: id.Timeline})
	}
	return found, nil
}

// Replaced says which of the servers replaced a known one, and so may lack rows that it had; empty if none did, if
// nothing is known, or if it is acknowledged in the spec.
func Replaced(ctx context.Context, known map[string][]postgres.Identity, acknowledged []string, servers ...postgres.Server) (string, error) {
	found, err := switchover.ReplacedServers(ctx, known, acknowledged, servers...)
	if len(found) == 0 {
		return "", err
	}
	return replacedText(found[0].Instance, found[0].Why), nil
}

// ReplacedBy says that a primary is another one than it was.
func ReplacedBy(was, is v1alpha1.ServerIdentity) string {
	return replacedText(is.Instance, IdentityOf(is).Replaced(IdentityOf(was)))
}

func replacedText(instance, why string) string {
	return fmt.Sprintf("the primary of %s was replaced: %s", instance, why)
}

// Unnoticed says whether a server isn't the one that the status has for its instance.
func Unnoticed(ctx context.Context, noticed []v1alpha1.ServerIdentity, s postgres.Server) (bool, error) {
	now, err := Identities(ctx, s)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(noticed, func(was v1alpha1.ServerIdentity) bool { return was.Instance == s.Instance && was != now[0] }), nil
}

// Ahead are the databases in which subscriber has applied commits of former, publisher's primary before, that publisher lacks.
// Reads only.
func Ahead(ctx context.Context, publisher, subscriber postgres.Server, databases []string, former postgres.Identity, n postgres.Names) (found []string, err error) {
	for _, db := range databases {
		ahead, err := replication.AheadOf(ctx, publisher, subscriber, db, former, n)
		if err != nil {
			return nil, err
		}
		if ahead {
			found = append(found, db)
		}
	}
	return found, nil
}
