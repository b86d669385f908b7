package screen

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

// TestWhateverIsInTheObjectsFits: each step of each workflow, with each reason that there is, beside as many commits,
// findings, switches and runs as an object may hold, with the longest names, and words that no object should have.
func TestWhateverIsInTheObjectsFits(t *testing.T) {
	at := time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC)
	reasons := reasonsOf(t)
	drawn := 0
	for _, workflow := range append(slices.Sorted(maps.Keys(steps.Workflows)), "") {
		table := steps.Workflows[workflow]
		if workflow == "" {
			table = []steps.Step{{}}
		}
		for i := range table {
			for _, reason := range append(reasons, table[i].Name) {
				// each other screen with either status, and either kind of glyphs
				status, o := metav1.ConditionFalse, Options{Now: at, Width: 80, Height: 24, Unicode: drawn%4 < 2}
				if drawn%2 == 1 {
					status = metav1.ConditionTrue
				}
				measure(t, Draw(Of(crowded(workflow, table[i].Name, reason, status), "kubectl gitover"), o), o)
				if drawn++; t.Failed() {
					t.Fatalf("%s/%s, %s %s", workflow, table[i].Name, reason, status)
				}
			}
		}
	}
	if drawn < 1000 {
		t.Errorf("only %d screens drawn", drawn)
	}
}

// crowded objects, full of text that commands a terminal, breaks lines, is wide, or turns the direction of writing.
func crowded(workflow, step, reason string, status metav1.ConditionStatus) Objects {
	odd := strings.Repeat("the table \"shop\".\"größe\u202e\x1b[2J\x1b]0;owned\x07\r\n漢字\" isn't there – ", 4)
	now := metav1.NewTime(time.Date(2026, 11, 20, 16, 30, 0, 0, time.UTC))
	condition := func(kind string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: odd, LastTransitionTime: now}
	}
	u := &v1alpha1.PgUpgrade{}
	u.Namespace, u.Name = strings.Repeat("n", 63), strings.Repeat("u", 40)
	from, to := u.Name+"-15", u.Name+"-17"
	s := &u.Status
	s.Workflow, s.Step, s.From, s.To, s.Attempt = workflow, step, from, to, 99
	s.Conditions = []metav1.Condition{condition("Ready"), condition("Stalled")}
	s.Copy = &v1alpha1.CopyStatus{TablesTotal: 1 << 30, TablesCopied: 1 << 29, BytesTotal: 1 << 60, BytesCopied: 1 << 59, BytesPerSecond: 1 << 40, ETA: &now, Failures: 1 << 40, Percent: "50%"}
	s.Comparing = &v1alpha1.ComparingStatus{RowsExpected: 1, ETA: &now}
	s.Comparing.Found.Rows = 1 << 60
	s.Lag = &v1alpha1.LagStatus{Bytes: 1 << 62, At: now, UnderLimitSince: &now}
	p := &v1alpha1.PgProxy{}
	p.Spec.Target, p.Status.Active = to, from
	p.Status.Conditions = []metav1.Condition{condition("Ready"), condition("Stalled"), condition("RollbackReady")}
	p.Status.Switch = &v1alpha1.SwitchStatus{From: from, To: to, Phase: odd, StartedAt: now, HeldSince: &metav1.MicroTime{Time: now.Time}}
	commit := v1alpha1.Commit{SHA: odd, Subject: odd, Author: odd, Time: &now}
	for i := range 16 {
		s.Steps = append(s.Steps, v1alpha1.StepStatus{Name: fmt.Sprint(odd, i), StartedAt: &now, Message: odd})
		s.Findings = append(s.Findings, v1alpha1.Finding{Name: odd, Severity: "Block", Database: odd, Object: odd, Fix: odd, Count: 1 << 30})
		s.Commits = append(s.Commits, v1alpha1.CommitStatus{Commit: commit, Step: odd})
		s.History = append(s.History, v1alpha1.HistoryEntry{From: odd, To: odd, Outcome: odd, FinishedAt: now, StartedAt: &now, Commits: s.Commits})
		p.Status.Switches = append(p.Status.Switches, v1alpha1.SwitchRecord{From: odd, To: odd, Outcome: odd, Reason: odd, Commit: &commit, Parts: map[string]int64{"hold": 1 << 50, "fence": 1 << 50, "copy": 1 << 50}})
	}
	return Objects{Upgrade: u, Proxy: p, Notes: []string{odd, odd}}
}

// reasonsOf conditions, from the API's own source.
func reasonsOf(t *testing.T) (all []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Reason") {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, value)
		}
		return true
	})
	if len(all) < 40 {
		t.Fatalf("only %d reasons", len(all))
	}
	return all
}

func TestTablesTreesAndTheHistoryHaveNothingOddEither(t *testing.T) {
	objects := crowded(steps.Upgrade, steps.CopyData, "CopyData", metav1.ConditionFalse)
	for _, o := range []Options{{Unicode: true}, {}} {
		o.Now, o.Width, o.Height = time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC), 80, 1000
		report := Of(objects, "gitover")
		measure(t, Overview([]Report{report, report}, o, false), o)
		measure(t, History(PastOf(objects), o), o)
		measure(t, Tree(TreeOf(Surroundings{Objects: objects}), o), o)
		o.Width = 1 << 20
		measure(t, append(Overview([]Report{report}, o, true), Line(report, o)), o)
	}
}
