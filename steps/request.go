package steps

import (
	"slices"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/transfer"
)

// ScopeOf an upgrade is what its spec says of databases.
func ScopeOf(u *v1alpha1.PgUpgrade) preflight.Scope {
	return preflight.Scope{
		Include: u.Spec.Databases.Include, Exclude: u.Spec.Databases.Exclude, Acknowledged: u.Spec.Acknowledge,
		GiveIdentities: GivesIdentities(u), MoveSubscriptions: movesSubscriptions(u), Carry: carryOf(u),
	}
}

// carryOf an upgrade is what each of its switches copies that isn't replicated.
func carryOf(u *v1alpha1.PgUpgrade) transfer.Carry {
	return transfer.Carry{
		LargeObjects:   slices.Contains(u.Spec.CopyInSwitch, "LargeObjects"),
		UnloggedTables: slices.Contains(u.Spec.CopyInSwitch, "UnloggedTables"),
	}
}

// movesSubscriptions says whether each switch moves the enabled subscriptions of others.
func movesSubscriptions(u *v1alpha1.PgUpgrade) bool { return u.Spec.OtherSubscriptions == "Move" }

// RequestOf an upgrade to a major version is what a preflight of databases is asked.
func RequestOf(u *v1alpha1.PgUpgrade, target int, databases []string) preflight.Request {
	return preflight.Request{
		Target: target, Databases: databases, Acknowledged: u.Spec.Acknowledge, Names: postgres.Names{UID: string(u.UID)}, WayBack: true,
		GiveIdentities: GivesIdentities(u), MoveSubscriptions: movesSubscriptions(u), Carry: carryOf(u),
		Tablespaces: u.Spec.Tablespaces,
	}
}
