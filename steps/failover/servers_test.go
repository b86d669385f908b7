package failover

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

// TestWhatIsKnownOfServersIsOfThisRun: names of instances come back.
func TestWhatIsKnownOfServersIsOfThisRun(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 28, hour, 0, 0, 0, time.UTC) }
	server := func(instance, system string) []v1alpha1.ServerIdentity {
		return []v1alpha1.ServerIdentity{{Instance: instance, SystemIdentifier: system, Timeline: 1}}
	}
	began := metav1.NewTime(at(10))
	status := v1alpha1.PgUpgradeStatus{From: "orders-15", To: "orders-17", Steps: []v1alpha1.StepStatus{{Name: "Preflight", StartedAt: &began}}}
	switched := func(hour int, outcome, from, to string) *v1alpha1.PgProxy {
		p := &v1alpha1.PgProxy{}
		p.Status.Switches = []v1alpha1.SwitchRecord{
			{Outcome: "Aborted", From: from, To: to, FinishedAt: metav1.NewMicroTime(at(23)), Servers: server("orders-17", "undone")},
			{Outcome: outcome, From: from, To: to, FinishedAt: metav1.NewMicroTime(at(hour)), Servers: server("orders-17", "switch")},
		}
		return p
	}
	for _, c := range []struct {
		story string
		proxy *v1alpha1.PgProxy
		knows string
	}{
		{"a switch of this run", switched(11, "Switched", "orders-15", "orders-17"), "compared switch"},
		{"and its rollback path", switched(11, "Switched", "orders-17", "orders-15"), "compared switch"},
		{"one of an earlier run", switched(9, "Switched", "orders-15", "orders-17"), "compared"},
		{"one of other instances", switched(11, "Switched", "orders-13", "orders-15"), "compared"},
		{"no proxy", nil, "compared"},
	} {
		status.Verification = &v1alpha1.VerificationStatus{Servers: server("orders-17", "compared")}
		var knows []string
		for _, id := range KnownServers(status, c.proxy)["orders-17"] {
			knows = append(knows, id.System)
		}
		if got := strings.Join(knows, " "); got != c.knows {
			t.Errorf("%s: knows %q, want %q", c.story, got, c.knows)
		}
		status.Verification.Mismatches = []string{"a row"}
		if len(KnownServers(status, nil)) != 0 {
			t.Error("sides that differ are taken for equal")
		}
	}
}
