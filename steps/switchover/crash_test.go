package switchover_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// crashLimits end a hold sooner than the default does.
var crashLimits = switchover.Limits{Hold: 5 * time.Second, Margin: 2 * time.Second}

// TestTrafficFlowsWithinTheLimitWhereverTheControllerFallsSilent stops a controller at
// every part (every third in the short form). The agents settle what it left; a second controller finishes; the
// first wakes up afterwards and must not do any harm.
func TestTrafficFlowsWithinTheLimitWhereverTheControllerFallsSilent(t *testing.T) {
	s := newStage(t, 15, 17)
	s.limits = crashLimits
	c := s.startClients(8)
	for _, point := range pg.Every(3, 1, switchover.Points) {
		s.awaitGuard()
		c.takeWorst()
		in := s.input()
		wake, ended := s.sleepAt(in, point)
		begun := time.Now()
		s.awaitLetGo()
		released := time.Since(begun)
		state, woken := s.takeOver(in, point, wake, ended)
		worst := c.takeWorst()
		if worst > crashLimits.Hold {
			t.Errorf("silent at %s: a client waited %v", point, worst)
		}
		t.Logf("silent at %-7s %s, let go after %v, worst client %v, the sleeper found: %v", point, state, released.Round(time.Millisecond), worst.Round(time.Millisecond), woken)
	}
	c.end(s)
}

// TestClientsAreLetGoAtOnceWhenTheControllerDies ends the connections that a controller has to the agents, as the kernel does
// when its process dies, long before the agents would take it for silent.
func TestClientsAreLetGoAtOnceWhenTheControllerDies(t *testing.T) {
	s := newStage(t, 15, 17)
	s.limits = switchover.Limits{Hold: 50 * time.Second, Margin: 10 * time.Second}
	c := s.startClients(8)
	for _, point := range pg.Every(2, 1, []switchover.Point{switchover.PointDecide, switchover.PointFence, switchover.PointResume, switchover.PointOpen}) {
		s.awaitGuard()
		c.takeWorst()
		in := s.input()
		wake, ended := s.sleepAt(in, point)
		for _, p := range s.poolers {
			p.cable.leadTo(p.Address)
		}
		s.awaitLetGo()
		state, woken := s.takeOver(in, point, wake, ended)
		worst := c.takeWorst()
		if worst > s.limits.Hold-s.limits.Margin {
			t.Errorf("dead at %s: a client waited %v, until the controller was taken for silent", point, worst)
		}
		t.Logf("dead at %-7s %s, worst client %v; who writes on finds: %v", point, state, worst.Round(time.Millisecond), woken)
	}
	c.end(s)
}

// takeOver has a second controller end a switch that the first one left at point; the first wakes up afterwards, with
// woken, and must not do any harm.
func (s *stage) takeOver(in switchover.Input, point switchover.Point, wake chan struct{}, ended chan error) (state switchover.State, woken error) {
	s.t.Helper()
	state, _, err := switchover.Recover(s.t.Context(), in)
	must(s.t, err)
	want := switchover.StateAborted
	if point == switchover.PointOpen || point == switchover.PointResume || point == switchover.PointFinish {
		want = switchover.StateCommitted
	}
	if state != want {
		s.t.Errorf("left at %s: %s, want %s", point, state, want)
	}
	s.ended(in, state)
	s.oneSideOpen()
	close(wake)
	woken = <-ended
	s.oneSideOpen()
	s.allServe()
	return state, woken
}

// sleepAt begins a switch whose controller falls asleep at point.
func (s *stage) sleepAt(in switchover.Input, point switchover.Point) (wake chan struct{}, ended chan error) {
	s.t.Helper()
	reached := make(chan struct{})
	wake, ended = make(chan struct{}), make(chan error, 1)
	in.Trace = func(at switchover.Point) {
		if at == point {
			close(reached)
			<-wake
		}
	}
	go func() {
		_, err := switchover.Switch(context.Background(), in)
		ended <- err
	}()
	select {
	case <-reached:
	case err := <-ended:
		s.t.Fatalf("%s was not reached: %v", point, err)
	}
	return wake, ended
}

// ended records how a switch that was recovered ended.
func (s *stage) ended(in switchover.Input, state switchover.State) {
	s.over.Store(in.ID, true)
	if state == switchover.StateCommitted {
		s.switched(in)
		return
	}
	s.say(nil)
}

func (s *stage) awaitLetGo() {
	s.t.Helper()
	eventually(s.t, "all poolers let clients go", func() bool {
		for _, p := range s.poolers {
			if state, err := p.agent.State(s.t.Context()); err != nil || state.Paused {
				return false
			}
		}
		return true
	})
}

// allServe checks that every pooler leads to the active side.
func (s *stage) allServe() {
	s.t.Helper()
	for _, p := range s.poolers {
		state, err := p.agent.State(s.t.Context())
		must(s.t, err)
		if state.Paused || state.Target.Instance != s.active {
			s.t.Errorf("%s is paused: %t, leads to %s", p.name, state.Paused, state.Target.Instance)
		}
	}
}

func TestAnAgentThatRestartsInAHoldGoesOnWithIt(t *testing.T) {
	pg.Long(t)
	s := newStage(t, 15, 17)
	c := s.startClients(8)
	for _, point := range pg.Every(2, 1, []switchover.Point{switchover.PointClear, switchover.PointMove, switchover.PointReady, switchover.PointResume}) {
		s.awaitGuard()
		in := s.input()
		in.Trace = func(at switchover.Point) {
			if at == point {
				s.poolers[1].StopAgent()
				s.poolers[1].StartAgent()
			}
		}
		_, err := switchover.Switch(t.Context(), in)
		if err != nil {
			t.Logf("restarted at %s: %v", point, err)
			state, _, err := switchover.Recover(t.Context(), in)
			must(t, err)
			s.ended(in, state)
		} else {
			s.switched(in)
		}
		eventually(t, "both poolers serve the active side", func() bool {
			for _, p := range s.poolers {
				state, err := p.agent.State(t.Context())
				if err != nil || state.Paused || state.Target.Instance != s.active {
					return false
				}
			}
			return true
		})
		s.oneSideOpen()
	}
	c.end(s)
}

func TestABrokenReloadUndoesTheSwitch(t *testing.T) {
	s := newStage(t, 15, 17)
	c := s.startClients(8)
	in := s.input()
	in.Trace = func(at switchover.Point) {
		if at == switchover.PointMove {
			path := s.poolers[0].Dir + "/pgbouncer.ini"
			good, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, append([]byte("nonsense\n"), good...), 0o644))
		}
	}
	_, err := switchover.Switch(t.Context(), in)
	s.say(nil)
	var aborted *switchover.AbortedError
	var broken *protocol.ReloadError
	if !errors.As(err, &aborted) || !errors.As(aborted.Why, &broken) {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
	s.oneSideOpen()
	c.awaitMore(30)
	c.end(s)
}

func TestALongTransactionIsNamed(t *testing.T) {
	s := newStage(t, 15, 17)
	ctx := t.Context()
	config, err := pgx.ParseConfig("sslmode=disable application_name=nightly-report")
	must(t, err)
	config.Host, config.Port, config.User, config.Password, config.Database = "127.0.0.1", uint16(s.poolers[0].Admin.Port), "app", appPassword, "orders"
	conn, err := pgx.ConnectConfig(ctx, config)
	must(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(ctx, "BEGIN; SELECT 1")
	must(t, err)
	old := s.servers[s.active]
	eventually(t, "the transaction is older than the limit", func() bool {
		return old.Query("", "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND now() - xact_start > '10ms'") == "1"
	})

	s.limits = switchover.Limits{LongTransaction: 10 * time.Millisecond}
	_, err = switchover.Switch(ctx, s.input())
	var waiting *switchover.WaitingError
	if !errors.As(err, &waiting) || waiting.Obstacles[0].Kind != switchover.LongTransaction {
		t.Fatalf("the guard lets it pass: %v", err)
	}
	t.Log(err)

	s.limits = switchover.Limits{LongTransaction: time.Hour, Drain: 200 * time.Millisecond}
	_, err = switchover.Switch(ctx, s.input())
	s.say(nil)
	var aborted *switchover.AbortedError
	if !errors.As(err, &aborted) || !errors.As(aborted.Why, &waiting) || len(waiting.Obstacles) == 0 || waiting.Obstacles[0].Session.Application != "nightly-report" {
		t.Fatalf("the hold does not name it: %v", err)
	}
	t.Log(err)
	if _, err = conn.Exec(ctx, "SELECT 1"); err != nil {
		t.Errorf("the transaction did not survive the switch that was undone: %v", err)
	}

	s.limits.LongTransactions = switchover.Terminate
	in := s.input()
	result, err := switchover.Switch(ctx, in)
	must(t, err)
	s.switched(in)
	if len(result.Terminated) != 1 || result.Terminated[0].Application != "nightly-report" {
		t.Errorf("terminated: %v", result.Terminated)
	}
}
