package rehearsal

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

func TestARehearsalSaysHowLongTheRealThingTakesAndWhatItMet(t *testing.T) {
	at := func(seconds int64) *metav1.Time { return &metav1.Time{Time: time.Unix(seconds, 0)} }
	status := &v1alpha1.PgUpgradeStatus{
		From: "orders-15", To: "orders-17", Run: "r", Attempt: 2,
		Steps:        []v1alpha1.StepStatus{{Name: "Preflight", StartedAt: at(0), FinishedAt: at(0)}, {Name: "CopyData", StartedAt: at(10), FinishedAt: at(3610)}, {Name: "Approve", StartedAt: at(3700)}},
		Copy:         &v1alpha1.CopyStatus{BytesTotal: 4096},
		Verification: &v1alpha1.VerificationStatus{Rows: 12, Tables: 3},
		Findings:     []v1alpha1.Finding{{Severity: "Info"}, {Severity: "Warn", Count: 2}, {Severity: "Block", Acknowledged: true}},
		Hooks: []v1alpha1.HookStatus{
			{Name: "old", Attempt: 1, State: v1alpha1.HookFailed, StartedAt: at(1), FinishedAt: at(2)},
			{Name: "plans", Moment: v1alpha1.BeforeCutover, Attempt: 2, State: v1alpha1.HookSucceeded, StartedAt: at(3700), FinishedAt: at(3730)},
		},
		Plan: &v1alpha1.PlanStatus{Digest: "abc"},
	}
	r := Of(status, "17", time.Unix(3800, 0))
	want := `orders-15 to orders-17: 1h3m20s from the preflight to the gate
steps: CopyData 1h0m0s
copied: 4096 bytes
compared: 12 rows in 3 tables, 0 in flight, 0 mismatches
findings: 3 warn or are acknowledged
hook plans (BeforeCutover): succeeded after 30s
plan: abc`
	if got := strings.Join(r.Report, "\n"); got != want || r.Version != "17" || r.Run != "r" || !r.PassedAt.Time.Equal(time.Unix(3800, 0)) {
		t.Errorf("%+v\n%s", r, got)
	}
	if empty := Of(&v1alpha1.PgUpgradeStatus{}, "17", time.Unix(0, 0)); len(empty.Report) > 0 {
		t.Errorf("%+v", empty)
	}
}
