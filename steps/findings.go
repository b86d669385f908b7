package steps

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres/preflight"
)

const (
	// findingsOfARule in one database are shown each; more are counted.
	findingsOfARule = 3
	// mostFindings that a status holds.
	mostFindings = 100
)

// judge writes the findings into the status and blocks on the first that blocks. A status is read by people, and has its
// limits: of many findings the first are shown, those that block before others.
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

// urgency orders findings: what blocks, what is warned of, what needs nobody.
func urgency(f preflight.Finding) int {
	switch {
	case f.Blocks():
		return 0
	case f.Severity != preflight.Info:
		return 1
	}
	return 2
}

// shown are findings as a status holds them.
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
