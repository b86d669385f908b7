package conformance

import (
	"testing"
	"time"

	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// longestRefusal is for how long new connections may be refused.
const longestRefusal = time.Second

// A switch, back, and forth again.
func TestASwitchLosesNoRowThroughAnyDriver(t *testing.T) {
	forEachKind(t, func(t *testing.T, k kind) {
		s := newStage(t, k)
		traffic := s.startTraffic()
		for range 4 {
			s.awaitGuard()
			begun, before := traffic.mark()
			in := s.input()
			result, err := switchover.Switch(t.Context(), in)
			if err != nil {
				t.Fatalf("%v\n%s", err, s.proxy.log())
			}
			s.end(in, result, nil)
			f := traffic.feltSince(begun, before)
			t.Logf("%s: %s -> %s in %d ms; %s", k.name, in.From.Instance, in.To.Instance, result.Held.Milliseconds(), f)
			switch {
			case k.seamless && f.failed+f.cut > 0:
				t.Errorf("clients noticed: %s", f)
			case k.holds && f.refusals > 0, f.refused > longestRefusal:
				t.Errorf("new connections were refused: %s", f)
			}
			s.oneSideOpen()
			s.leads()
		}
		traffic.balances()
	})
}

// The proxy's process dies in the middle of a switch, and starts again.
func TestAProxyThatDiesInASwitchLosesNoRow(t *testing.T) {
	dies(t, "it has no process", func(s *stage) { s.proxy.kill(); s.proxy.run() })
}

// The agent dies in the middle of a switch, and starts again.
func TestAnAgentThatDiesInASwitchLosesNoRow(t *testing.T) {
	dies(t, "it has no agent", func(s *stage) { s.proxy.agent.StopAgent(); s.proxy.agent.StartAgent() })
}

// dies: something of each kind dies at each point of a switch, and starts again. What is led by the controller alone has none of it.
func dies(t *testing.T, aloneLacks string, happen func(*stage)) {
	forEachKind(t, func(t *testing.T, k kind) {
		if k.alone {
			t.Skip(aloneLacks)
		}
		s := newStage(t, k)
		traffic := s.startTraffic()
		for _, point := range pg.Every(3, 1, []switchover.Point{
			switchover.PointHold, switchover.PointFence, switchover.PointMove, switchover.PointReady, switchover.PointDecide, switchover.PointResume,
		}) {
			s.disturbed(traffic, point, func() { happen(s) })
		}
		traffic.balances()
	})
}

// disturbed switches, with something that happens at a point.
func (s *stage) disturbed(traffic *traffic, point switchover.Point, happen func()) {
	s.t.Helper()
	s.awaitGuard()
	begun, before := traffic.mark()
	in := s.input()
	in.Trace = func(at switchover.Point) {
		if at == point {
			happen()
		}
	}
	result, err := switchover.Switch(s.t.Context(), in)
	state := s.end(in, result, err)
	f := traffic.feltSince(begun, before)
	s.t.Logf("%s, at %s: %s; %s", s.kind.name, point, state, f)
	if f.connect > limits.Hold {
		s.t.Errorf("at %s: a new connection waited for longer than the limit: %s", point, f)
	}
	s.oneSideOpen()
	s.leads()
}
