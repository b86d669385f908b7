package steps

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/gitover/gitover/api/v1alpha1"
)

const (
	// slowLook bounds how long nothing is looked at while the world changes slowly.
	slowLook = 15 * time.Second
	// verifyAgain is when rows that differed are compared again.
	verifyAgain = time.Minute
	// mostMismatches kept in the status.
	mostMismatches = 20
)

// lagFor is how long the lag must stay under its limit; the API server fills the default.
func (r *Run) lagFor() time.Duration {
	if d := r.Upgrade.Spec.Limits.LagFor; d != nil {
		return d.Duration
	}
	return 5 * time.Second
}

func (r *Run) soak() time.Duration {
	if d := r.Upgrade.Spec.Soak.Duration; d != nil {
		return d.Duration
	}
	return 24 * time.Hour
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// oneLine makes any text fit for a commit trailer.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func readyReason(p *v1alpha1.PgProxy) string {
	if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ReadyCondition); c != nil {
		return c.Reason
	}
	return ""
}

func readyMessage(p *v1alpha1.PgProxy) string {
	if c := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ReadyCondition); c != nil {
		return c.Message
	}
	return ""
}
