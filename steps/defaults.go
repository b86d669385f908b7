package steps

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const (
	// slowLook bounds how long nothing is looked at while the world changes slowly.
	slowLook = 15 * time.Second
	// verifyAgain is when rows that differed are compared again.
	verifyAgain = time.Minute
	// mostMismatches kept in the status.
	mostMismatches = 20
)

// lagStableFor is how long the lag must stay under its limit; the API server fills the default.
func (r *Run) lagStableFor() time.Duration {
	return ptr.Deref(r.Upgrade.Spec.Limits.LagStableFor, metav1.Duration{Duration: 5 * time.Second}).Duration
}

func (r *Run) soak() time.Duration {
	return ptr.Deref(r.Upgrade.Spec.Soak.Duration, metav1.Duration{Duration: 24 * time.Hour}).Duration
}

// oneLine makes any text fit for a commit trailer.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
