package steps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/disk"
	"github.com/gitover/gitover/steps/gate"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/steps/seed"
)

// preflightDone looks for everything that would break the upgrade, reports all findings in one
// pass, and builds green's manifests in memory. It has no effect.
func preflightDone(ctx context.Context, run *Run) (Verdict, error) {
	if err := run.Git.CheckInstance(ctx); err != nil {
		return Verdict{}, err
	}
	blue, err := run.blue(ctx)
	if err != nil {
		return Verdict{}, err
	}
	if err := checkVersion(ctx, blue, run.version(run.Status.From)); err != nil {
		return Verdict{}, err
	}
	databases, err := applicationDatabases(ctx, run, blue)
	if err != nil {
		return Verdict{}, err
	}
	run.Status.Databases = names(databases)
	if len(databases) == 0 {
		return waiting(v1alpha1.ReasonPreflightBlocked, "%s has no application database; check spec.databases", run.Status.From), nil
	}
	findings, err := preflight.Check(ctx, blue, RequestOf(run.Upgrade, run.version(run.Status.To), run.Status.Databases))
	if err != nil {
		return Verdict{}, err
	}
	how, err := chooseCopy(ctx, run, blue)
	if err != nil {
		return Verdict{}, err
	}
	volumes, err := volumeFindings(ctx, run, blue)
	if err != nil {
		return Verdict{}, err
	}
	hooks, err := hookFindings(ctx, run, blue)
	if err != nil {
		return Verdict{}, err
	}
	findings = slices.Concat(findings, how, volumes, GateFindings(run.Upgrade.Spec), hooks)
	if verdict := judge(run, findings); !verdict.Done {
		return verdict, nil
	}
	if frozen := gate.Frozen(run.Upgrade.Spec.Freezes, run.Now()); frozen != nil {
		return gateClosed(v1alpha1.ReasonFrozen, "%d findings, none blocks; nothing is begun while %s", len(findings), frozen), nil
	}
	return done("%d findings, none blocks", len(findings)), nil
}

// volumeFindings of both sides: of green what its manifests ask for, if they can be known beforehand.
func volumeFindings(ctx context.Context, run *Run, blue postgres.Server) ([]preflight.Finding, error) {
	kept, err := disk.UsedBy(ctx, blue)
	if err != nil {
		return nil, err
	}
	workload, err := run.Cluster.Workload(ctx, blue.Instance)
	if err != nil {
		return nil, err
	}
	set, err := run.Git.StatefulSet(ctx)
	if err != nil && !errors.Is(err, seed.ErrUnsuitable) {
		return nil, err
	}
	return preflight.Volumes(workload.Volumes, disk.Requested(set), kept, RequestOf(run.Upgrade, run.version(run.Status.To), run.Status.Databases)), nil
}

// GateFindings are the windows and freezes that can't be understood.
func GateFindings(spec v1alpha1.PgUpgradeSpec) (findings []preflight.Finding) {
	for _, p := range gate.Problems(spec) {
		findings = append(findings, preflight.Finding{Name: "gate_invalid", Severity: preflight.Block, Object: p.Field, Why: "it closes the gate for ever: " + p.Why + ".",
			Fix: "correct " + p.Field})
	}
	return findings
}

func applicationDatabases(ctx context.Context, run *Run, s postgres.Server) ([]postgres.Database, error) {
	all, err := postgres.ApplicationDatabases(ctx, s, run.Upgrade.Spec.Databases.Include, run.Upgrade.Spec.Databases.Exclude)
	if err != nil {
		return nil, err
	}
	return postgres.Moved(all), nil
}

func names(databases []postgres.Database) []string {
	out := make([]string, 0, len(databases))
	for _, d := range databases {
		out = append(out, d.Name)
	}
	return out
}

// WrongVersionError: the server that answers isn't the one that the manifests describe.
type WrongVersionError struct {
	Instance   string
	Want, Have int
}

func (e *WrongVersionError) Error() string {
	return fmt.Sprintf("%s answers as PostgreSQL %d, its manifests say %d; check the image and the volume", e.Instance, e.Have, e.Want)
}

func checkVersion(ctx context.Context, s postgres.Server, want int) error {
	have, err := postgres.Version(ctx, s)
	if err != nil {
		return err
	}
	if have != want {
		return &WrongVersionError{Instance: s.Instance, Want: want, Have: have}
	}
	return nil
}

// ScopeOf an upgrade is what its spec says about databases.
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

// RequestOf an upgrade to a major version is the request for a preflight of databases.
func RequestOf(u *v1alpha1.PgUpgrade, target int, databases []string) preflight.Request {
	return preflight.Request{
		Target: target, Databases: databases, Acknowledged: u.Spec.Acknowledge, Names: postgres.Names{UID: string(u.UID)}, RollbackPath: true,
		GiveIdentities: GivesIdentities(u), MoveSubscriptions: movesSubscriptions(u), Carry: carryOf(u),
		Tablespaces: u.Spec.Tablespaces,
	}
}

const (
	// findingsOfARule in one database are shown; more are only counted.
	findingsOfARule = 3
	// mostFindings is how many a status holds.
	mostFindings = 100
)

// judge writes the findings into the status and blocks if one blocks. People read a status, and its size is limited: of
// many findings the first are shown, and those that block come first.
func judge(run *Run, findings []preflight.Finding) Verdict {
	findings = slices.Clone(findings)
	slices.SortStableFunc(findings, func(a, b preflight.Finding) int {
		return cmp.Compare(urgency(a), urgency(b))
	})
	run.Status.Findings = shown(findings)
	switch blocking := preflight.Blocking(findings); {
	case blocking == 1:
		return waiting(v1alpha1.ReasonPreflightBlocked, "1 finding blocks: %s", describe(findings[0]))
	case blocking > 1:
		return waiting(v1alpha1.ReasonPreflightBlocked, "%d findings block, see status.findings; first: %s", blocking, describe(findings[0]))
	}
	return done("%d findings, none blocks", len(findings))
}

// urgency orders findings: those that block, warnings, those that need no action.
func urgency(f preflight.Finding) int {
	switch {
	case f.Blocks():
		return 0
	case f.Severity != preflight.Info:
		return 1
	}
	return 2
}

// shown are findings in the form of the status.
func shown(findings []preflight.Finding) []v1alpha1.Finding {
	type group struct {
		name, database string
		urgency        int
	}
	total := map[group]int32{}
	groupOf := func(f preflight.Finding) group { return group{f.Name, f.Database, urgency(f)} }
	for _, f := range findings {
		total[groupOf(f)]++
	}
	var list []v1alpha1.Finding
	seen := map[group]int32{}
	for i, f := range findings {
		g := groupOf(f)
		if seen[g]++; seen[g] > findingsOfARule {
			if seen[g] == findingsOfARule+1 {
				more := total[g] - findingsOfARule
				list = append(list, v1alpha1.Finding{Name: f.Name, Severity: severity(f.Severity), Database: f.Database, Acknowledged: f.Acknowledged,
					Count: more, Object: fmt.Sprintf("%d more", more), Why: "As those before; gitover check names each of them."})
			}
			continue
		}
		if len(list) == mostFindings-1 && i < len(findings)-1 {
			return append(list, v1alpha1.Finding{Name: "more", Severity: severity(f.Severity), Count: int32(len(findings) - i),
				Object: fmt.Sprintf("%d more", len(findings)-i), Why: "Only so many fit here; gitover check names each of them."})
		}
		list = append(list, v1alpha1.Finding{
			Name: f.Name, Severity: severity(f.Severity), Database: f.Database, Object: f.Object,
			Why: f.Why, Fix: f.Fix, Acknowledged: f.Acknowledged,
		})
	}
	return list
}

func severity(s string) string {
	if s == "" {
		return "Warn"
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func describe(f preflight.Finding) string {
	where := f.Object
	if f.Database != "" {
		where = strings.TrimSpace(f.Database + " " + f.Object)
	}
	if where != "" {
		where = " (" + where + ")"
	}
	return fmt.Sprintf("%s%s: %s Fix: %s", f.Name, where, f.Why, f.Fix)
}
