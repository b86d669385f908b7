package switchover_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/switchover"
)

// A crash makes a server forget how far its slot was moved, if no checkpoint came since. What it
// took by replication before the switch must not come back as its own.
func TestTheRollbackPathStandsACrashOfTheNewSideRightAfterTheSwitch(t *testing.T) {
	for _, pair := range [][2]int{{15, 17}, {postgres.Latest, postgres.Oldest}} {
		t.Run(fmt.Sprintf("%d-%d", pair[0], pair[1]), func(t *testing.T) {
			s := newStage(t, pair[0], pair[1])
			in := s.input()
			blue, green := s.servers[in.From.Instance], s.servers[in.To.Instance]
			in.Trace = func(point switchover.Point) {
				if point == switchover.PointHold { // the slot of the rollback path is there already
					for _, db := range databases {
						blue.Exec(db, "INSERT INTO keyless VALUES (1, 1)")
						blue.Exec(db, "INSERT INTO ledger (client, n) VALUES (1, 1)")
					}
				}
			}
			if _, err := switchover.Switch(t.Context(), in); err != nil {
				t.Fatal(err)
			}
			s.switched(in)
			green.Kill()
			green.Run()
			for _, db := range databases {
				green.Exec(db, "INSERT INTO keyless VALUES (1, 2)")
				eventually(t, "the old side follows", func() bool {
					return blue.Query(db, "SELECT EXISTS (SELECT FROM keyless WHERE n = 2)") == "t"
				})
				if n := blue.Query(db, "SELECT count(*) FROM keyless WHERE n = 1"); n != "1" {
					t.Errorf("%s: a row from before the switch is there %s times", db, n)
				}
			}
		})
	}
}

// The old side may be unable to reach the new one, which nothing but the rollback path needs. Found after the
// commit point, it could never be finished and never be taken back.
func TestAnOldSideThatCannotReachTheNewOneIsFoundBeforeAnythingIsHeld(t *testing.T) {
	s := newStage(t, 15, 17)
	green := s.servers[s.input().To.Instance]
	restart := func(statement string) {
		green.Exec("", statement)
		green.Kill()
		green.Run()
		s.awaitGuard()
	}
	restart("ALTER SYSTEM SET max_wal_senders = 0") // the controller still gets in, the old side's replication doesn't
	in := s.input()
	result, err := switchover.Switch(t.Context(), in)
	if err == nil || !result.HeldAt.IsZero() || !strings.Contains(err.Error(), in.From.Instance) {
		t.Fatalf("held at %v: %v", result.HeldAt, err)
	}
	t.Log(err)
	if left := green.Query("", "SELECT string_agg(slot_name, ', ') FROM pg_replication_slots"); left != "" {
		t.Errorf("left behind: %s", left)
	}

	restart("ALTER SYSTEM RESET max_wal_senders")
	in = s.input()
	if _, err := switchover.Switch(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	s.switched(in)
}

// TestARollbackPathThatCannotBeMadeIsAbandoned: the old side is lost for good right after the decision.
func TestARollbackPathThatCannotBeMadeIsAbandoned(t *testing.T) {
	s := newStage(t, 15, 17)
	c := s.startClients(4)
	in := s.input()
	blue, green := s.servers[in.From.Instance], s.servers[in.To.Instance]
	if err := switchover.Abandon(t.Context(), in); err == nil {
		t.Error("a switch that never began was abandoned")
	}
	in.Trace = func(point switchover.Point) {
		if point == switchover.PointFinish {
			blue.Kill()
		}
	}
	_, err := switchover.Switch(t.Context(), in)
	var unfinished *switchover.UnfinishedError
	if !errors.As(err, &unfinished) {
		t.Fatalf("%v", err)
	}
	t.Log(err)
	s.switched(in)
	if state, _, err := switchover.Recover(t.Context(), in); state != switchover.StateCommitted || !errors.As(err, &unfinished) {
		t.Fatalf("%s, %v", state, err)
	}
	for range 2 {
		must(t, switchover.Abandon(t.Context(), in))
	}
	if left := green.Query("", "SELECT string_agg(slot_name, ', ') FROM pg_replication_slots"); left != "" {
		t.Errorf("slots keep WAL: %s", left)
	}
	if left := green.Query("", "SELECT string_agg(subname, ', ') FROM pg_subscription"); left != "" {
		t.Errorf("subscriptions are left: %s", left)
	}
	c.awaitMore(50)
	c.end(s)
}

// TestAnOldSideThatIsLostWithTheDecisionIsDoneWithout where the new side has every row: no one else knows what was decided, and
// nobody but a human knows that it never comes back.
func TestAnOldSideThatIsLostWithTheDecisionIsDoneWithout(t *testing.T) {
	for _, c := range []struct {
		lost  switchover.Point
		ready bool
	}{{switchover.PointDecide, true}, {switchover.PointOpen, true}, {switchover.PointMove, false}} {
		t.Run("lost at "+string(c.lost), func(t *testing.T) {
			s := newStage(t, 15, 17)
			s.limits = crashLimits
			clients := s.startClients(4)
			in := s.input()
			blue, green := s.servers[in.From.Instance], s.servers[in.To.Instance]
			if err := switchover.OpenWithoutDecision(t.Context(), in); err == nil || !strings.Contains(err.Error(), in.From.Instance+" answers") {
				t.Fatalf("the old side answers: %v", err)
			}
			in.Trace = func(at switchover.Point) {
				if at == c.lost {
					blue.Kill()
					green.Exec("", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = 'gitover'") // the controller is gone, too
				}
			}
			if _, err := switchover.Switch(t.Context(), in); err == nil {
				t.Fatal("the switch succeeded")
			}
			in.Trace = nil
			var undecided *switchover.UndecidedError
			if state, _, err := switchover.Recover(t.Context(), in); state != switchover.StateUnknown || !errors.As(err, &undecided) {
				t.Fatalf("%s, %v", state, err)
			}
			alone := in
			alone.Alone, alone.Poolers = true, nil
			if err := switchover.OpenWithoutDecision(t.Context(), alone); err == nil || !strings.Contains(err.Error(), "may have undone the switch by itself") {
				t.Fatalf("opened although the old side may have taken writes: %v", err)
			}
			err := switchover.OpenWithoutDecision(t.Context(), in)
			if !c.ready {
				if err == nil || !strings.Contains(err.Error(), "is not opened: pooler pooler-") {
					t.Fatalf("opened without its rows: %v", err)
				}
				in.Poolers = nil // as if their pods had been made again
				if err := switchover.OpenWithoutDecision(t.Context(), in); err == nil || !strings.Contains(err.Error(), "may lack rows") {
					t.Fatalf("opened without its rows: %v", err)
				}
				return
			}
			must(t, err)
			must(t, switchover.OpenWithoutDecision(t.Context(), in))
			var unfinished *switchover.UnfinishedError
			if state, _, err := switchover.Recover(t.Context(), in); state != switchover.StateCommitted || !errors.As(err, &unfinished) || !unfinished.RollbackPath {
				t.Fatalf("%s, %v", state, err)
			}
			must(t, switchover.Abandon(t.Context(), in))
			s.switched(in)
			s.allServe()
			clients.awaitMore(50)
			clients.end(s)
		})
	}
}
