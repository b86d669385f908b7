// Package rehearsal reports what a rehearsal showed. It is pure: status.steps, status.hooks and the evidence of the cutover are its sources.
package rehearsal

import (
	"fmt"
	"strings"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Of a run that is ready to cut over at this time.
func Of(status *v1alpha1.PgUpgradeStatus, version string, now time.Time) *v1alpha1.RehearsalStatus {
	r := &v1alpha1.RehearsalStatus{Version: version, Run: status.Run}
	r.PassedAt.Time = now.Truncate(time.Second)
	add := func(format string, args ...any) { r.Report = append(r.Report, fmt.Sprintf(format, args...)) }
	if began := begin(status.Steps); !began.IsZero() {
		add("%s to %s: %s from the preflight to the gate", status.From, status.To, now.Sub(began).Round(time.Second))
	}
	if took := durations(status.Steps); len(took) > 0 {
		add("steps: %s", strings.Join(took, ", "))
	}
	if c := status.Copy; c != nil {
		add("copied: %d bytes", c.BytesTotal)
	}
	if v := status.Verification; v != nil {
		add("compared: %d rows in %d tables, %d in flight, %d mismatches", v.Rows, v.Tables, v.InFlight, len(v.Mismatches))
	}
	if n := warnings(status.Findings); n > 0 {
		add("findings: %d warn or are acknowledged", n)
	}
	for _, h := range status.Hooks {
		if h.Attempt != status.Attempt || h.FinishedAt == nil || h.StartedAt == nil {
			continue
		}
		add("hook %s (%s): %s after %s", h.Name, h.Moment, strings.ToLower(string(h.State)), h.FinishedAt.Sub(h.StartedAt.Time).Round(time.Second))
	}
	if p := status.Plan; p != nil {
		add("plan: %s", p.Digest)
	}
	return r
}

func begin(steps []v1alpha1.StepStatus) time.Time {
	if len(steps) == 0 || steps[0].StartedAt == nil {
		return time.Time{}
	}
	return steps[0].StartedAt.Time
}

// durations of steps that took a second or more.
func durations(steps []v1alpha1.StepStatus) (took []string) {
	for _, s := range steps {
		if s.StartedAt == nil || s.FinishedAt == nil {
			continue
		}
		if d := s.FinishedAt.Sub(s.StartedAt.Time).Round(time.Second); d >= time.Second {
			took = append(took, fmt.Sprintf("%s %s", s.Name, d))
		}
	}
	return took
}

func warnings(findings []v1alpha1.Finding) (n int32) {
	for _, f := range findings {
		if f.Severity == "Warn" || f.Acknowledged {
			n += max(1, f.Count)
		}
	}
	return n
}
