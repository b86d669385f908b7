package switchover_test

import (
	"errors"
	"testing"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/switchover"
)

// A node dies with the controller and a pooler on it, when the switch is decided. The next
// controller can't reach that pooler; the side that serves gets its follower all the same.
func TestAPoolerThatCannotBeReachedAfterTheDecisionKeepsNothingElseWaiting(t *testing.T) {
	s := newStage(t, 15, 17)
	in := s.input()
	wake, ended := s.sleepAt(in, switchover.PointResume)
	lost := s.poolers[0].cable
	lost.cut()
	var phases []protocol.Phase
	report := in.Report
	in.Report = func(phase protocol.Phase) error {
		phases = append(phases, phase)
		return report(phase)
	}
	in.Limits = crashLimits
	state, _, err := switchover.Recover(t.Context(), in)
	var unfinished *switchover.UnfinishedError
	if state != switchover.StateCommitted || !errors.As(err, &unfinished) {
		t.Fatalf("%s: %v", state, err)
	}
	t.Log(err)
	if last := phases[len(phases)-1]; last != protocol.PhaseFinishing {
		t.Errorf("the last phase that was reported is %s", last)
	}
	for _, db := range databases {
		follows, err := replication.SubscriptionState(t.Context(), in.From, db, s.names.Subscription(db, in.From.Instance))
		must(t, err)
		if !follows.Exists || !follows.Enabled {
			t.Errorf("%s: the old side does not follow", db)
		}
	}
	lost.fix()
	s.switched(in)
	if state, _, err = switchover.Recover(t.Context(), in); state != switchover.StateCommitted || err != nil {
		t.Errorf("when the pooler can be reached again: %s, %v", state, err)
	}
	close(wake)
	<-ended //nolint:errcheck // the switch was interrupted
	s.oneSideOpen()
	s.leads(s.poolers[0])
}

// A PgBouncer that gets no processor answers no PAUSE in time, and reads it later.
func TestAPoolerThatPausesTooLateIsResumed(t *testing.T) {
	s := newStage(t, 15, 17)
	s.limits = crashLimits
	p := s.poolers[0]
	in := s.input()
	in.Trace = func(at switchover.Point) {
		if at == switchover.PointHold {
			p.Freeze()
		}
	}
	_, err := switchover.Switch(t.Context(), in)
	s.say(nil)
	var aborted *switchover.AbortedError
	var undecided *switchover.UndecidedError
	if !errors.As(err, &aborted) && !errors.As(err, &undecided) {
		t.Fatalf("a pooler that doesn't answer was held: %v", err)
	}
	t.Log(err)
	holds := s.watchHolds()
	p.Thaw()
	s.leads(p)
	s.oneSideOpen()
	if worst := holds.take(); worst > crashLimits.Hold {
		t.Errorf("it held its clients for %v", worst)
	}
	s.awaitGuard()
	in = s.input()
	_, err = switchover.Switch(t.Context(), in)
	must(t, err)
	s.switched(in)
	s.allServe()
}
