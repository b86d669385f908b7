package replication

import (
	"testing"
	"time"
)

func TestAWorkerThatStartsAgainIsNoTroubleAndOneThatKeepsFailingIs(t *testing.T) {
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	type look struct {
		after    time.Duration
		running  float64 // seconds; below zero: not at all
		failures int64
		stopped  bool
	}
	for what, looks := range map[string][]look{
		"it has just been enabled":           {{0, -1, 0, false}, {6 * time.Second, 0, 0, false}, {20 * time.Second, 14, 0, false}},
		"it is started again by a new login": {{0, 100, 3, false}, {time.Second, -1, 3, false}, {6 * time.Second, 1, 3, false}},
		"its publisher was started again":    {{0, 100, 0, false}, {time.Second, 0.5, 1, false}, {12 * time.Second, 11.5, 1, false}},
		"it fails and waits":                 {{0, 100, 3, false}, {time.Second, -1, 4, true}},
		"it fails again and again":           {{0, 100, 0, false}, {time.Second, 0.1, 1, false}, {6 * time.Second, 0.1, 2, true}, {30 * time.Second, 20, 2, false}},
		"nobody counts, and it is away":      {{0, -1, -1, false}, {5 * time.Second, 0, -1, false}, {11 * time.Second, -1, -1, true}},
		"nobody looked for long":             {{0, -1, -1, false}, {time.Hour, -1, -1, false}},
		"a crash sets the count to zero":     {{0, 100, 9, false}, {time.Second, 0, 0, false}, {2 * time.Second, -1, 1, true}},
	} {
		w := &Workers{}
		for i, l := range looks {
			s := Subscription{Exists: true, Enabled: true, Running: l.running >= 0, RunningFor: max(l.running, 0), ApplyErrors: l.failures}
			if got := w.stopped("s", s, begun.Add(l.after)); got != l.stopped {
				t.Errorf("%s, look %d: %v", what, i, got)
			}
		}
	}
}
