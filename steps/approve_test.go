package steps

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
)

// images are those of the instances' pods.
type images struct {
	Cluster
	of map[string]string
}

func (i images) Workload(_ context.Context, instance string) (Workload, error) {
	if i.of == nil {
		return Workload{}, errors.New("the API server doesn't answer")
	}
	return Workload{Found: true, Ready: true, Image: i.of[instance]}, nil
}

// TestAnApprovalIsBoundToWhatWasApproved if people say so: another image, another database, and the gate is closed again.
func TestAnApprovalIsBoundToWhatWasApproved(t *testing.T) {
	u := &v1alpha1.PgUpgrade{}
	u.Name = "orders"
	u.Spec.Cutover.Approval = manual
	u.Spec.Acknowledge = []string{"unlogged_tables", "async_standbys"}
	u.Status = v1alpha1.PgUpgradeStatus{Workflow: Upgrade, From: "orders-15", To: "orders-17", Databases: []string{"shop", "billing"}}
	pods := images{of: map[string]string{"orders-15": "postgres:15.1", "orders-17": "postgres:17.1"}}
	run := &Run{Upgrade: u, Status: &u.Status, Cluster: pods, Now: time.Now}
	gate := func() (string, v1alpha1.PlanStatus) {
		t.Helper()
		plan, err := planOf(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		closed := manualGate(run, *plan)
		if closed == nil {
			return "", *plan
		}
		if closed.Done || closed.Reason != v1alpha1.ReasonWaitingForApproval {
			t.Errorf("%+v", closed)
		}
		return closed.Message, *plan
	}
	said, plan := gate()
	if !strings.Contains(said, `approvedVersion: "17"`) || !strings.Contains(said, plan.Digest[:12]) {
		t.Errorf("it waits without telling for what: %s", said)
	}
	if all := strings.Join(plan.Items, "\n"); !strings.Contains(all, "postgres:17.1") || !strings.Contains(all, "billing, shop") || !strings.Contains(all, "async_standbys, unlogged_tables") {
		t.Errorf("the plan: %s", all)
	}
	u.Spec.Cutover.ApprovedVersion = "17"
	if said, _ := gate(); said != "" {
		t.Errorf("the version alone is approved: %s", said)
	}
	u.Spec.Cutover.ApprovedPlan = plan.Digest[:12]
	if said, _ := gate(); said != "" {
		t.Errorf("approved, and closed: %s", said)
	}
	if changed, err := stillApproved(t.Context(), run); changed != nil || err != nil {
		t.Errorf("%+v, %v", changed, err)
	}

	pods.of["orders-17"] = "postgres:17.2"
	if said, _ := gate(); !strings.Contains(said, "postgres:17.2") || !strings.Contains(said, plan.Digest[:12]) {
		t.Errorf("another image: %q", said)
	}
	if changed, err := stillApproved(t.Context(), run); err != nil || changed == nil || changed.ReturnTo != Approve {
		t.Errorf("another image: %+v, %v", changed, err)
	}
	pods.of["orders-17"] = "postgres:17.1"
	u.Status.Databases = append(u.Status.Databases, "late")
	if said, _ := gate(); !strings.Contains(said, "late") {
		t.Errorf("another database: %q", said)
	}
	u.Status.Databases = u.Status.Databases[:2]
	u.Status.Findings = []v1alpha1.Finding{{Name: "sequences", Severity: "Info", Database: "shop"}, {Name: "async_standbys", Severity: "Block", Object: "replica", Acknowledged: true}}
	if said, _ := gate(); !strings.Contains(said, "finding async_standbys/replica") || strings.Contains(said, "sequences") {
		t.Errorf("another finding: %q", said)
	}
	run.Cluster = images{}
	if _, err := stillApproved(t.Context(), run); err == nil {
		t.Error("a plan that can't be known is not the approved one")
	}

	u.Spec.Cutover.Approval = "Automatic"
	if closed := manualGate(run, plan); closed != nil {
		t.Errorf("an automatic gate is closed: %+v", closed)
	}
}

// TestAPullRequestThatWaitsForLongIsAskedForSeldom: its server isn't ours, and people take days.
func TestAPullRequestThatWaitsForLongIsAskedForSeldom(t *testing.T) {
	for age, want := range map[time.Duration]time.Duration{
		-time.Hour: slowLook, 0: slowLook, 2 * time.Minute: slowLook, 10 * time.Minute: time.Minute, 24 * time.Hour: 2 * time.Minute,
	} {
		if got := mergeLook(age); got != want {
			t.Errorf("%v after %v, want %v", got, age, want)
		}
	}
}
