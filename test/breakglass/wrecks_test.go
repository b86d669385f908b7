package breakglass

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// wreck is a switch that its controller left: that one sleeps, and may wake up at any time.
type wreck struct {
	switchover.Input
	wake  chan struct{}
	ended chan error
}

// leaveAt begins a switch whose controller falls silent at a point, and whose agents are gone: the pooler stays as it is.
func (s *site) leaveAt(point switchover.Point) *wreck {
	s.t.Helper()
	w := s.fallSilentAt(point)
	s.pooler.StopAgent()
	return w
}

func (s *site) fallSilentAt(point switchover.Point) *wreck {
	s.t.Helper()
	s.awaitGuard()
	s.awaitWrites()
	w := &wreck{Input: s.input(), wake: make(chan struct{}), ended: make(chan error, 1)}
	reached := make(chan struct{})
	in := w.Input
	in.Trace = func(at switchover.Point) {
		if at == point {
			close(reached)
			<-w.wake
		}
	}
	go func() {
		_, err := switchover.Switch(context.Background(), in)
		w.ended <- err
	}()
	select {
	case <-reached:
	case err := <-w.ended:
		s.t.Fatalf("%s was not reached: %v", point, err)
	}
	close(s.over)
	return w
}

// wakes lets the first controller go on, which must do no harm.
func (s *site) wakes(w *wreck) {
	s.t.Helper()
	close(w.wake)
	if err := <-w.ended; err == nil {
		s.t.Error("the controller that slept believes that it made the switch")
	} else {
		s.t.Logf("the controller that slept finds: %v", err)
	}
}

// stopWhatActs is the page's step 1, on each server that answers.
func (s *site) stopWhatActs() {
	s.t.Helper()
	for name, server := range s.servers {
		if name != s.lost {
			sql(s.t, server, "gitover", "stop.sql", nil)
		}
	}
}

// says fails unless read.sql tells of the switch on a server what the page's table asks for.
func (s *site) says(server, id, direction, state string) {
	s.t.Helper()
	for line := range strings.Lines(sql(s.t, s.servers[server], "gitover", "read.sql", nil)) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && cells[3] == id {
			if cells[0] != direction || cells[2] != state {
				s.t.Errorf("%s of %s: %s %s, want %s %s", id, server, cells[0], cells[2], direction, state)
			}
			return
		}
	}
	if state != "" {
		s.t.Errorf("read.sql of %s doesn't tell of %s", server, id)
	}
}

// answers fails unless a block's last line is as the page wants it.
func answers(t *testing.T, out, want string) {
	t.Helper()
	if lines := strings.Split(out, "\n"); lines[len(lines)-1] != want {
		t.Fatalf("the answer is %q, want %q", lines[len(lines)-1], want)
	}
}

// lead has the pooler lead to a side that serves from now on, without an agent.
func (s *site) lead(to string) {
	s.t.Helper()
	s.active = to
	server := s.servers[to]
	shell(s.t, "lead.sh", "HOST="+server.Host, fmt.Sprintf("PORT=%d", server.Port), "TARGET="+s.pooler.TargetFile, fmt.Sprintf("PGBOUNCER_PID=%d", s.pooler.PID()))
}

// open does the page's step 3 for a switch that was decided.
func (s *site) open(from, to, id string) {
	s.t.Helper()
	key := sql(s.t, s.servers[from], "gitover", "key.sql", variables{"switch": id})
	answers(s.t, sql(s.t, s.servers[to], "gitover", "open.sql", variables{"switch": id, "key": key}), "opened")
}

// gitoverReturns starts agent and controller again, which finds how the switch ended.
func (s *site) gitoverReturns(w *wreck, want switchover.State) {
	s.t.Helper()
	s.say(nil)
	s.pooler.StartAgent()
	in := w.Input
	in.Trace, in.Report = nil, nil
	eventually(s.t, "Gitover ends the switch", func() bool {
		state, _, err := switchover.Recover(s.t.Context(), in)
		if state != want {
			s.t.Fatalf("the switch ended as %q, want %q: %v", state, want, err)
		}
		return err == nil
	})
	s.oneSideWrites()
}

func TestASwitchThatWasLeftUndecidedIsAbortedByHand(t *testing.T) {
	s := newSite(t)
	w := s.leaveAt(switchover.PointDecide)
	s.says(blueName, w.ID, "leaves", "open")
	s.says(greenName, w.ID, "leads here", "ready")
	s.stopWhatActs()
	// the key can't be had before the decision, so the new side can't be opened by mistake
	answers(t, sql(t, s.servers[blueName], "gitover", "key.sql", variables{"switch": w.ID}), "")
	answers(t, sql(t, s.servers[greenName], "gitover", "open.sql", variables{"switch": w.ID, "key": "guessed"}), "ready")
	answers(t, sql(t, s.servers[blueName], "gitover", "abort.sql", variables{"switch": w.ID}), "abort")
	s.lead(blueName)
	s.awaitWrites()
	s.oneSideWrites()
	s.wakes(w)
	s.oneSideWrites()
	s.gitoverReturns(w, switchover.StateAborted)
	s.move() // the upgrade goes on
	s.awaitWrites()
	s.balances()
}

func TestASwitchThatWasDecidedIsFinishedByHand(t *testing.T) {
	s := newSite(t)
	w := s.leaveAt(switchover.PointOpen)
	s.says(blueName, w.ID, "leaves", "commit")
	s.says(greenName, w.ID, "leads here", "ready")
	s.stopWhatActs()
	// too late for an abort: nothing is opened
	answers(t, sql(t, s.servers[blueName], "gitover", "abort.sql", variables{"switch": w.ID}), "commit")
	s.open(blueName, greenName, w.ID)
	s.lead(greenName)
	answers(t, sql(t, s.servers[blueName], "gitover", "admit.sql", variables{"switch": w.ID}), "commit")
	blue := s.servers[blueName]
	if got, err := psql(t, blue.Server, blue.Major, "orders", "SHOW transaction_read_only", nil); err != nil || got != "on" {
		t.Errorf("a superuser who was let in to look is read-only: %s %v", got, err)
	}
	s.awaitWrites()
	s.oneSideWrites()
	s.wakes(w)
	s.oneSideWrites()
	s.gitoverReturns(w, switchover.StateCommitted)
	s.move() // a rollback: the old side follows again
	s.awaitWrites()
	s.balances()
}

// TestClientsThatWereLetGoToAClosedServerAreServedAgain: neither the controller nor the register answered the agent, which let
// clients go at its limit, to a server that refuses them.
func TestClientsThatWereLetGoToAClosedServerAreServedAgain(t *testing.T) {
	s := newSite(t)
	w := s.fallSilentAt(switchover.PointReady)
	s.servers[blueName].Kill()
	eventually(t, "the agent lets clients go", func() bool {
		state, err := s.agent.State(t.Context())
		return err == nil && !state.Paused
	})
	s.pooler.StopAgent()
	s.servers[blueName].Run()
	s.says(blueName, w.ID, "leaves", "open")
	s.stopWhatActs()
	answers(t, sql(t, s.servers[blueName], "gitover", "abort.sql", variables{"switch": w.ID}), "abort")
	s.lead(blueName)
	s.awaitWrites()
	s.oneSideWrites()
	s.wakes(w)
	s.gitoverReturns(w, switchover.StateAborted)
	s.balances()
}

func TestTheSideThatIsLeftServesWhenTheOtherIsLost(t *testing.T) {
	type story struct {
		name, lost, serves, block, direction, state string
		at                                          switchover.Point
	}
	for _, story := range pg.Every(2, 0, []story{
		{"old side lost, all rows on the new one", blueName, greenName, "survive-ready.sql", "leads here", "ready", switchover.PointDecide},
		{"new side lost, undecided", greenName, blueName, "abort.sql", "leaves", "open", switchover.PointDecide},
		{"new side lost, decided", greenName, blueName, "survive.sql", "leaves", "commit", switchover.PointOpen},
	}) {
		t.Run(story.name, func(t *testing.T) {
			s := newSite(t)
			w := s.leaveAt(story.at)
			s.lost = story.lost
			s.servers[story.lost].Kill()
			s.stopWhatActs()
			s.says(story.serves, w.ID, story.direction, story.state)
			sql(t, s.servers[story.serves], "gitover", story.block, variables{"switch": w.ID})
			s.lead(story.serves)
			s.awaitWrites()
			s.oneSideWrites()
			s.wakes(w)
			s.oneSideWrites()
			s.balances() // what clients were told of: nobody wrote to the side that was lost meanwhile
		})
	}
}
