package controllers

import (
	"strings"
	"testing"

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
