package switchover_test

import (
	"context"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// TestAQueryInFlightKeepsItsParallelWorkers though the hold has begun: older minor versions refuse them once the
// database is fenced.
func TestAQueryInFlightKeepsItsParallelWorkers(t *testing.T) {
	for name, c := range map[string]struct {
		blue  func(*testing.T) start
		fence string
	}{
		"15.10": {func(t *testing.T) start {
			return func(s pg.Settings) *pg.Server { return pg.StartMinor(t, pg.BeforeFebruary2025, s) }
		}, "late"},
		"15 today": {func(t *testing.T) start { return aServer(t, 15) }, "at once"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStageOf(t, nil, c.blue(t), aServer(t, 17))
			client := s.connect("app", "report", false)
			_, err := client.Exec(t.Context(), "BEGIN; SET LOCAL force_parallel_mode = on; SELECT 1")
			must(t, err)
			in := s.input()
			fenced := make(chan struct{})
			in.Traced = func(at switchover.Point) {
				if at == switchover.PointFence {
					close(fenced)
				}
			}
			report := make(chan error, 1)
			fence := "late"
			in.Trace = func(at switchover.Point) {
				if at != switchover.PointHold {
					return
				}
				go func() {
					select {
					case <-fenced:
						fence = "at once"
					case <-time.After(time.Second): // long enough for a fence that doesn't wait
					}
					_, err := client.Exec(context.Background(), "SELECT count(*) FROM ledger; COMMIT")
					report <- err
				}()
			}
			_, err = switchover.Switch(t.Context(), in)
			must(t, err)
			if err := <-report; err != nil {
				t.Errorf("the report: %v", err)
			}
			if fence != c.fence {
				t.Errorf("fenced %s, not %s", fence, c.fence)
			}
			s.switched(in)
			s.oneSideOpen()
		})
	}
}
