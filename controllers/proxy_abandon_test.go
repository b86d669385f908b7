package controllers

import (
	"strings"
	"testing"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

// TestOnlyGitAbandonsARollbackPath, and only that of the switch in progress.
func TestOnlyGitAbandonsARollbackPath(t *testing.T) {
	for _, c := range []struct {
		says, to, finalized, workflow string
		givenUp                       bool
	}{
		{"nothing was said", "orders-17", "", steps.Upgrade, false},
		{"the new version is final", "orders-17", "17", steps.Upgrade, true},
		{"an earlier version was final", "orders-17", "15", steps.Upgrade, false},
		{"the new version was final, but traffic goes back", "orders-15", "17", steps.Upgrade, false},
		{"a human reverted the cutover, and the new side shall follow", "orders-15", "", steps.RolledBack, false},
		{"the version was reverted", "orders-15", "", steps.Rollback, true},
		{"the version was reverted, but the revert was reverted", "orders-17", "", steps.Rollback, false},
	} {
		u := &v1alpha1.PgUpgrade{Status: v1alpha1.PgUpgradeStatus{Workflow: c.workflow, From: "orders-15", To: "orders-17"}}
		u.Name, u.Spec.Soak.FinalizedVersion = "orders", c.finalized
		p := &v1alpha1.PgProxy{Status: v1alpha1.PgProxyStatus{Switch: &v1alpha1.SwitchStatus{To: c.to, From: "orders-15"}}}
		x := &proxyScope{proxy: p, upgrade: u}
		if word := rollbackAbandoned(x); (word != "") != c.givenUp {
			t.Errorf("%s: %q", c.says, word)
		}
		if advice := unfinishedAdvice(x); c.to == u.Status.To && !strings.Contains(advice, `finalizedVersion: "17"`) {
			t.Errorf("%s: advice %q", c.says, advice)
		}
		if advice := undecidedAdvice(x); strings.Contains(advice, `finalizedVersion: "17"`) != (c.to == u.Status.To) || !strings.Contains(advice, "lost for good") {
			t.Errorf("%s: advice %q", c.says, advice)
		}
	}
}
