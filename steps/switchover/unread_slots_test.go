package switchover_test

import (
	"errors"
	"testing"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/switchover"
)

// A slot that nobody reads keeps WAL until the disk is full.
func TestASwitchThatWasUndoneLeavesNoSlotBehind(t *testing.T) {
	s := newStage(t, 15, 17)
	unread := func(in switchover.Input) string {
		return s.servers[in.To.Instance].Query("", "SELECT string_agg(slot_name, ', ') FROM pg_replication_slots")
	}
	t.Log("by its own controller")
	in := s.input()
	report := in.Report
	in.Report = func(phase protocol.Phase) error {
		if phase == protocol.PhaseHoldBegins {
			if unread(in) == "" {
				t.Error("the rollback path was not prepared")
			}
			return errors.New("the API server is gone")
		}
		return report(phase)
	}
	_, err := switchover.Switch(t.Context(), in)
	s.say(nil)
	var aborted *switchover.AbortedError
	if !errors.As(err, &aborted) {
		t.Fatal(err)
	}
	if left := unread(in); left != "" {
		t.Errorf("left behind: %s", left)
	}

	t.Log("before it began")
	s.awaitGuard()
	in = s.input()
	in.Trace = func(at switchover.Point) {
		if at == switchover.PointBegin {
			s.servers[in.From.Instance].Exec("", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'gitover' AND pid <> pg_backend_pid()")
		}
	}
	_, err = switchover.Switch(t.Context(), in)
	s.say(nil)
	if err == nil || errors.As(err, &aborted) {
		t.Fatalf("it began: %v", err)
	}
	t.Log(err)
	if left := unread(in); left != "" {
		t.Errorf("left behind: %s", left)
	}

	t.Log("by the next one, and the first wakes up afterwards")
	s.awaitGuard()
	in = s.input()
	wake, ended := s.sleepAt(in, switchover.PointReady)
	state, _, err := switchover.Recover(t.Context(), in)
	must(t, err)
	if state != switchover.StateAborted {
		t.Fatal(state)
	}
	s.ended(in, state)
	if left := unread(in); left != "" {
		t.Errorf("left behind: %s", left)
	}
	close(wake)
	t.Log(<-ended)

	t.Log("a late word of the undone one spares the slots that are read by now")
	s.awaitGuard()
	next := s.input()
	_, err = switchover.Switch(t.Context(), next)
	must(t, err)
	s.switched(next)
	if _, _, err = switchover.Recover(t.Context(), in); err != nil {
		t.Log(err)
	}
	if unread(in) == "" {
		t.Error("the slots of the rollback path are gone")
	}
	s.oneSideOpen()
}
