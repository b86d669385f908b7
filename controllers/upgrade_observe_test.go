package controllers

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
)

// A copied manifest, of which a line was forgotten.
func TestAnUpgradeThatNamesAnothersProxyDoesNothing(t *testing.T) {
	c, u, p := anAPIServer(t, steps.Upgrade, steps.Soak, "orders-17", "orders-17")
	p.Spec.UpgradeRef.Name = "stock"
	if err := c.Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	r := &UpgradeReconciler{Client: c, Uncached: c}
	err := r.observeProxy(t.Context(), u, &observed{})
	if m := outcome.ReasonOf(err, ""); m.Reason != v1alpha1.ReasonInvalidSpec || !m.Stalled {
		t.Fatalf("%+v: %v", m, err)
	}
	for _, name := range []string{"PgProxy orders belongs to PgUpgrade stock", "spec.proxyRef", "spec.upgradeRef"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q doesn't say %q", err, name)
		}
	}
}

// Of the real API server, without storing anything.
func TestTheAPIServerRefusesGatesThatCannotBeMeant(t *testing.T) {
	w := aTeam(t)
	every := func(schedule string, d time.Duration) v1alpha1.Recurrence {
		return v1alpha1.Recurrence{Schedule: schedule, Duration: &metav1.Duration{Duration: d}}
	}
	window := func(windows ...v1alpha1.Window) func(*v1alpha1.PgUpgradeSpec) {
		return func(s *v1alpha1.PgUpgradeSpec) { s.Cutover.Windows = windows }
	}
	freeze := func(freezes ...v1alpha1.Freeze) func(*v1alpha1.PgUpgradeSpec) {
		return func(s *v1alpha1.PgUpgradeSpec) { s.Freezes = freezes }
	}
	from, until := &metav1.Time{Time: time.Unix(3600, 0)}, &metav1.Time{Time: time.Unix(7200, 0)}
	for _, s := range []struct {
		story string
		spec  func(*v1alpha1.PgUpgradeSpec)
		says  string // empty: accepted
	}{
		{"a part of a day", window(v1alpha1.Window{Start: "22:00", End: "04:00"}), ""},
		{"a part of a day in a time zone", window(v1alpha1.Window{Start: "22:00", End: "04:00", Recurrence: v1alpha1.Recurrence{TimeZone: "America/Argentina/Buenos_Aires"}}), ""},
		{"a schedule", window(v1alpha1.Window{Recurrence: every("0 2 1-7 * *", time.Hour)}), ""},
		{"both", window(v1alpha1.Window{Start: "22:00", End: "04:00", Recurrence: every("0 2 * * *", time.Hour)}), "either start and end"},
		{"neither", window(v1alpha1.Window{}), "either start and end"},
		{"half of a day's part", window(v1alpha1.Window{Start: "22:00"}), "either start and end"},
		{"a schedule without a duration", window(v1alpha1.Window{Recurrence: v1alpha1.Recurrence{Schedule: "0 2 * * *"}}), "either start and end"},
		{"a duration of nothing", window(v1alpha1.Window{Recurrence: every("0 2 * * *", 0)}), "between a minute and a year"},
		{"a time zone in the schedule", window(v1alpha1.Window{Recurrence: every("TZ=Asia/Tokyo 0 2 * * *", time.Hour)}), "name the time zone in timeZone"},
		{"no fixed times", window(v1alpha1.Window{Recurrence: every("@every 5m", time.Hour)}), "@every has no fixed times"},
		{"a path for a time zone", window(v1alpha1.Window{Start: "22:00", End: "04:00", Recurrence: v1alpha1.Recurrence{TimeZone: "../../etc/passwd"}}), "timeZone"},
		{"a freeze", freeze(v1alpha1.Freeze{Reason: "closing", From: from, Until: until}), ""},
		{"a freeze that comes again", freeze(v1alpha1.Freeze{Reason: "closing", Recurrence: every("0 0 25 * *", 48*time.Hour)}), ""},
		{"a freeze that ends before it begins", freeze(v1alpha1.Freeze{Reason: "closing", From: until, Until: from}), "until must be after from"},
		{"a freeze without an end", freeze(v1alpha1.Freeze{Reason: "closing", From: from}), "either from and until"},
		{"a freeze of two kinds", freeze(v1alpha1.Freeze{Reason: "closing", From: from, Until: until, Recurrence: every("0 0 25 * *", time.Hour)}), "either from and until"},
		{"a freeze that nobody could understand", freeze(v1alpha1.Freeze{From: from, Until: until}), "reason"},
	} {
		u := w.upgrade("orders")
		s.spec(&u.Spec)
		err := w.Create(t.Context(), u, client.DryRunAll)
		switch {
		case s.says == "" && err != nil:
			t.Errorf("%s is refused: %v", s.story, err)
		case s.says != "" && (err == nil || !strings.Contains(err.Error(), s.says)):
			t.Errorf("%s: %v", s.story, err)
		}
	}
}
