package switchover_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// fault is injected in the middle of a switch, and heals when the switch is over.
type fault struct {
	name string
	// inject returns at once, with what heals it.
	inject func(s *stage, in switchover.Input) (heal func())
	// undone is the last point at which the switch can't go forward any more; empty if the
	// fault is in nobody's way, either if that is a matter of luck up to the decision.
	undone switchover.Point
}

const either switchover.Point = "either"

// restart is how long the kubelet needs to start a container again that died for the first time.
const restart = time.Second

var faults = []fault{
	{"the controller is cut off from a pooler", func(s *stage, _ switchover.Input) func() {
		s.poolers[0].cable.cut()
		return s.poolers[0].cable.fix
	}, switchover.PointClear},
	{"an agent dies, and starts again", func(s *stage, _ switchover.Input) func() {
		back := make(chan struct{})
		go func() {
			defer close(back)
			s.poolers[0].StopAgent()
			time.Sleep(restart)
			s.poolers[0].StartAgent()
		}()
		return func() { <-back }
	}, either},
	{"a pooler dies", func(s *stage, _ switchover.Input) func() {
		s.poolers[0].Kill()
		return s.poolers[0].Run
	}, switchover.PointMove},
	{"a pooler's pod is replaced", func(s *stage, _ switchover.Input) func() {
		s.poolers[0].Kill()
		replaced := make(chan struct{})
		go func() {
			defer close(replaced)
			s.poolers[0].replace()
		}()
		return func() { <-replaced }
	}, switchover.PointClear},
	{"a pooler comes up", func(s *stage, _ switchover.Input) func() {
		late := make(chan *pooler, 1)
		go func() { late <- s.newPooler("late") }()
		return func() { s.poolers = append(s.poolers, <-late) }
	}, ""},
	{"the old side dies", func(s *stage, in switchover.Input) func() {
		s.servers[in.From.Instance].Kill()
		return s.servers[in.From.Instance].Run
	}, switchover.PointReady},
	{"the old side falls silent", func(s *stage, in switchover.Input) func() {
		s.cables[in.From.Instance].cut()
		return s.cables[in.From.Instance].fix
	}, switchover.PointMove}, // the decision may be on its way when the cable is fixed
	{"the new side dies", func(s *stage, in switchover.Input) func() {
		s.servers[in.To.Instance].Kill()
		return s.servers[in.To.Instance].Run
	}, switchover.PointReady},
	{"the new side falls silent", func(s *stage, in switchover.Input) func() {
		s.cables[in.To.Instance].cut()
		return s.cables[in.To.Instance].fix
	}, switchover.PointReady},
}

// TestWhateverFailsAtWhateverPointTrafficIsLetGoInTimeAndNothingIsLost goes through all
// faults and points: in the short form every fifth for each fault, so that all together meet each point. The fault is still there when traffic must flow again.
func TestWhateverFailsAtWhateverPointTrafficIsLetGoInTimeAndNothingIsLost(t *testing.T) {
	for i, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 15, 17)
			s.limits = crashLimits
			traffic := s.startLedger()
			holds := s.watchHolds()
			for _, point := range pg.Every(5, i%5, switchover.Points) {
				s.suffer(f, point, holds)
			}
			holds.stop()
			traffic.balances()
		})
	}
}

// suffer a fault at one point of a switch. It heals when traffic flows again.
func (s *stage) suffer(f fault, point switchover.Point, holds *holdWatch) {
	s.t.Helper()
	s.awaitGuard()
	in := s.input()
	struck, ended := make(chan func(), 1), make(chan error, 1)
	in.Trace = func(at switchover.Point) {
		if at == point {
			struck <- f.inject(s, in)
		}
	}
	holds.take()
	go func() {
		_, err := switchover.Switch(context.Background(), in)
		ended <- err
	}()
	heal := <-struck
	var err error
	over := false
	eventually(s.t, "traffic flows", func() bool {
		select {
		case err = <-ended:
			over = true
		default:
		}
		return holds.lasting() == 0 && (over || holds.seen())
	})
	heal()
	if !over {
		err = <-ended
	}
	worst := holds.take()
	state := s.end(in, err)
	s.ended(in, state)
	s.oneSideOpen()
	for i, p := range s.poolers {
		s.leads(p)
		if i >= poolers {
			p.StopAgent()
			p.Kill()
		}
	}
	s.poolers = s.poolers[:poolers]
	decided := slices.Index(switchover.Points, point) > slices.Index(switchover.Points, switchover.PointDecide)
	surelyUndone := f.undone != "" && slices.Index(switchover.Points, point) <= slices.Index(switchover.Points, f.undone)
	switch {
	case decided && state != switchover.StateCommitted:
		s.t.Errorf("at %s: a switch that was decided was undone: %v", point, err)
	case surelyUndone && state != switchover.StateAborted:
		s.t.Errorf("at %s: the switch went forward all the same", point)
	case f.undone == "" && state != switchover.StateCommitted:
		s.t.Errorf("at %s: the switch was undone for no reason: %v", point, err)
	}
	if worst > crashLimits.Hold {
		s.t.Errorf("at %s: clients were held for %v, longer than the limit of %v", point, worst, crashLimits.Hold)
	}
	s.t.Logf("at %-6s %-9s worst hold %4d ms; the controller says: %v", point, state, worst.Milliseconds(), err)
}

// end a switch whatever way it ended, as the controllers do.
func (s *stage) end(in switchover.Input, err error) switchover.State {
	s.t.Helper()
	var aborted *switchover.AbortedError
	switch {
	case err == nil:
		return switchover.StateCommitted
	case errors.As(err, &aborted):
		return switchover.StateAborted
	}
	var state switchover.State
	var last error
	if !within(30*time.Second, func() bool {
		state, _, last = switchover.Recover(s.t.Context(), in)
		return state != switchover.StateUnknown && last == nil
	}) {
		s.t.Fatalf("the switch does not end: %s, %v", state, last)
	}
	return state
}

// leads waits until a pooler lets clients go to the active side.
func (s *stage) leads(p *pooler) {
	s.t.Helper()
	eventually(s.t, p.name+" leads to "+s.active, func() bool {
		state, err := p.agent.State(s.t.Context())
		return err == nil && !state.Paused && state.Target.Instance == s.active
	})
}

// replace the pooler's pod by a new one: another agent, another PgBouncer, no files.
func (p *pooler) replace() {
	p.StopAgent()
	for _, file := range []string{p.TargetFile, p.Dir + "/agent.json"} {
		if err := os.Remove(file); err != nil {
			p.stage.t.Error(err)
		}
	}
	p.StartAgent()
	if within(20*time.Second, func() bool { _, err := os.Stat(p.TargetFile); return err == nil }) {
		p.Run()
	} else {
		p.stage.t.Error("the new pod's agent wrote no target")
	}
}
