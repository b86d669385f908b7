package steps

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/pg"
)

// The controller's clock is set by an hour, the servers' aren't.
func TestAClockThatWasSetOpensNoGate(t *testing.T) {
	server := pg.Start(t, 17, nil)
	begun := time.Now()
	hour := metav1.Duration{Duration: time.Hour}
	world := func(set time.Duration) *Run {
		run := &Run{
			Cluster: images{of: map[string]string{}},
			Upgrade: &v1alpha1.PgUpgrade{}, Proxy: &v1alpha1.PgProxy{}, Now: func() time.Time { return time.Now().Add(set) },
			Status: &v1alpha1.PgUpgradeStatus{From: "orders-15", To: "orders-17"},
			Server: func(context.Context, string) (postgres.Server, error) { return server.Server, nil },
			Git:    branch{untouched{t}, "orders-17"},
		}
		run.Upgrade.Name, run.Upgrade.Spec.Soak.Duration = "orders", &hour
		run.Upgrade.Spec.Limits.LagStableFor = &metav1.Duration{}
		return run
	}
	judge := func(verdict Verdict, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if verdict.Done {
			return "done"
		}
		return verdict.Reason + ": " + verdict.Message
	}

	soaks := []struct {
		story       string
		since       time.Duration
		set         time.Duration
		want, words string
	}{
		{"half a soak, set forward", 30 * time.Minute, time.Hour, v1alpha1.ReasonClockSkew, "ahead of that of test-17"},
		{"half a soak, set back", 30 * time.Minute, -time.Hour, v1alpha1.ReasonSoakInProgress, "is a rollback until"},
		{"a whole soak, set forward", 61 * time.Minute, time.Hour, v1alpha1.ReasonClockSkew, "NTP"},
		{"a whole soak, set back", 61 * time.Minute, -time.Hour, v1alpha1.ReasonSoakInProgress, "is a rollback until"},
		{"half a soak, set right", 30 * time.Minute, 0, v1alpha1.ReasonSoakInProgress, "is a rollback until"},
		{"a whole soak, set right", 61 * time.Minute, 0, "done", ""},
	}
	for _, s := range soaks {
		run := world(s.set)
		since := metav1.NewTime(begun.Add(-s.since))
		run.Proxy.Spec.Target, run.Proxy.Status.Active, run.Proxy.Status.ActiveSince = "orders-17", "orders-17", &since
		if got := judge(soakDone(t.Context(), run)); !strings.HasPrefix(got, s.want) || !strings.Contains(got, s.words) {
			t.Errorf("%s: %s", s.story, got)
		}
	}

	// a freeze holds the end of a soak back, and a cutover
	freeze := func(from, until time.Duration) []v1alpha1.Freeze {
		a, b := metav1.NewTime(begun.Add(from)), metav1.NewTime(begun.Add(until))
		return []v1alpha1.Freeze{{Reason: "year-end closing", From: &a, Until: &b}}
	}
	unreadable := []v1alpha1.Freeze{{Reason: "a typing mistake", Recurrence: v1alpha1.Recurrence{Schedule: "0 99 * * *", Duration: &metav1.Duration{Duration: time.Hour}}}}
	for _, f := range []struct {
		story      string
		freezes    []v1alpha1.Freeze
		set        time.Duration
		soak, gate string
	}{
		{"a freeze that lasts", freeze(-time.Hour, time.Hour), 0, v1alpha1.ReasonSoakInProgress, v1alpha1.ReasonFrozen},
		{"a freeze that is over", freeze(-time.Hour, -time.Minute), 0, "done", "done"},
		{"a freeze that lasts, set forward", freeze(-time.Hour, time.Hour), 2 * time.Hour, v1alpha1.ReasonClockSkew, v1alpha1.ReasonClockSkew},
		{"a freeze that can't be read", unreadable, 0, v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonInvalidSpec},
	} {
		run := world(f.set)
		since := metav1.NewTime(begun.Add(-61 * time.Minute))
		run.Upgrade.Spec.Freezes = f.freezes
		run.Proxy.Spec.Target, run.Proxy.Status.Active, run.Proxy.Status.ActiveSince = "orders-17", "orders-17", &since
		if got := judge(soakDone(t.Context(), run)); !strings.HasPrefix(got, f.soak) || f.soak == v1alpha1.ReasonSoakInProgress && !strings.Contains(got, "year-end closing") {
			t.Errorf("%s: the soak says %s", f.story, got)
		}
		run.Upgrade.Spec.Soak.FinalizedVersion = "17"
		if got := judge(soakDone(t.Context(), run)); !strings.HasPrefix(got, "done") {
			t.Errorf("%s: a soak that people end says %s", f.story, got)
		}
		run.Proxy.Status.Active, run.Status.Verification = "orders-15", &v1alpha1.VerificationStatus{}
		if got := judge(approveDone(t.Context(), run)); !strings.HasPrefix(got, f.gate) {
			t.Errorf("%s: the gate says %s", f.story, got)
		}
	}

	window := func(from, until time.Duration) []v1alpha1.Window {
		clock := func(d time.Duration) string { return begun.Add(d).UTC().Format("15:04") }
		return []v1alpha1.Window{{Start: clock(from), End: clock(until)}}
	}
	now, later := window(-30*time.Minute, 30*time.Minute), window(30*time.Minute, 90*time.Minute)
	windows := []struct {
		story   string
		windows []v1alpha1.Window
		set     time.Duration
		want    string
	}{
		{"a window that isn't open yet, set forward", later, time.Hour, v1alpha1.ReasonClockSkew},
		{"a window that is open, set forward", now, time.Hour, v1alpha1.ReasonOutsideWindow},
		{"a window that is open, set back", now, -time.Hour, v1alpha1.ReasonOutsideWindow},
		{"a window that is open, set right", now, 0, "done"},
		{"no window, set forward", nil, time.Hour, "done"},
	}
	for _, w := range windows {
		run := world(w.set)
		run.Proxy.Status.Active = "orders-15"
		run.Status.Verification = &v1alpha1.VerificationStatus{}
		run.Upgrade.Spec.Cutover.Windows = w.windows
		if got := judge(approveDone(t.Context(), run)); !strings.HasPrefix(got, w.want) {
			t.Errorf("%s: %s", w.story, got)
		}
	}
}

// What was measured before the clock was set back doesn't keep the upgrade waiting for it.
func TestAClockThatWasSetBackKeepsNothingWaiting(t *testing.T) {
	future := metav1.NewTime(time.Now().Add(time.Hour))
	nobody := func(context.Context, string) (postgres.Server, error) { return postgres.Server{}, nil } // there are no databases
	run := &Run{Upgrade: &v1alpha1.PgUpgrade{}, Now: time.Now, Server: nobody, Status: &v1alpha1.PgUpgradeStatus{
		Step: Verify, Steps: []v1alpha1.StepStatus{{Name: Verify, StartedAt: &future}},
		Lag:          &v1alpha1.LagStatus{UnderLimitSince: &future},
		Verification: &v1alpha1.VerificationStatus{At: metav1.Now(), Rows: 1},
	}}
	showLag(run, replication.Backlog{}, 1)
	if since := run.Status.Lag.UnderLimitSince; since.After(time.Now()) {
		t.Errorf("the lag is under its limit since %v, which is yet to come", since)
	}
	if verdict, err := verifyDone(t.Context(), run); err != nil || !verdict.Done {
		t.Errorf("rows that were compared are compared again: %+v, %v", verdict, err)
	}
	run.Status.Verification = &v1alpha1.VerificationStatus{At: future, Mismatches: []string{"one"}}
	if verdict, err := verifyDone(t.Context(), run); err != nil || !verdict.RunNeeded {
		t.Errorf("rows that differed are not compared again: %+v, %v", verdict, err)
	}
}
