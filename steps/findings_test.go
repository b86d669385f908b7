package steps

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres/preflight"
)

func blockedBy(name string, n int) (all []preflight.Finding) {
	for i := range n {
		all = append(all, preflight.Finding{Name: name, Severity: preflight.Block, Database: "shop", Object: fmt.Sprintf("table t%d", i), Why: "It has no key.", Fix: "Give it one."})
	}
	return all
}

// TestManyFindingsAreReadable: two thousand tables without a key are no two thousand lines, and what blocks comes first.
func TestManyFindingsAreReadable(t *testing.T) {
	findings := []preflight.Finding{
		{Name: "sequences", Severity: preflight.Info, Database: "shop", Object: "7 sequences"},
		{Name: "tablespaces", Severity: preflight.Warn, Object: "tablespace fast"},
	}
	findings = append(findings, blockedBy("replica_identity", 2000)...)
	findings = append(findings, preflight.Finding{Name: "large_objects", Severity: preflight.Block, Acknowledged: true, Database: "shop", Object: "3 large objects"})
	run := &Run{Status: &v1alpha1.PgUpgradeStatus{}}
	v := judge(run, findings)
	if v.Reason != v1alpha1.ReasonPreflightBlocked || v.Message != "2000 findings block, see status.findings; first: replica_identity (shop table t0): It has no key. Fix: Give it one." {
		t.Errorf("%s: %s", v.Reason, v.Message)
	}
	var lines []string
	for _, f := range run.Status.Findings {
		lines = append(lines, fmt.Sprintf("%s %s: %s, %d", f.Severity, f.Name, f.Object, f.Count))
	}
	want := []string{
		"Block replica_identity: table t0, 0", "Block replica_identity: table t1, 0", "Block replica_identity: table t2, 0", "Block replica_identity: 1997 more, 1997",
		"Warn tablespaces: tablespace fast, 0", "Block large_objects: 3 large objects, 0", "Info sequences: 7 sequences, 0",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("shown:\n%s", strings.Join(lines, "\n"))
	}

	if v := judge(run, findings[2:3]); v.Message != "1 finding blocks: replica_identity (shop table t0): It has no key. Fix: Give it one." || len(run.Status.Findings) != 1 {
		t.Errorf("%d findings: %s", len(run.Status.Findings), v.Message)
	}
	if v := judge(run, findings[:2]); !v.Done {
		t.Errorf("blocked: %s", v.Message)
	}
}

// TestAStatusHoldsSoManyFindings of however many rules and databases.
func TestAStatusHoldsSoManyFindings(t *testing.T) {
	var findings []preflight.Finding
	for i := range 100_000 {
		findings = append(findings, preflight.Finding{Name: "lost_features", Severity: preflight.Block, Database: fmt.Sprint("db", i), Object: "view v"})
	}
	list := shown(findings)
	last := list[len(list)-1]
	if len(list) != mostFindings || last.Count != 100_000-mostFindings+1 || last.Severity != "Block" {
		t.Errorf("%d findings, the last %+v", len(list), last)
	}
	if list := shown(findings[:mostFindings]); len(list) != mostFindings || list[mostFindings-1].Object != "view v" {
		t.Errorf("%d findings of %d", len(list), mostFindings)
	}
}
