package switchover_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// failOver has a standby that is no longer streaming take the place of a server, behind the same address.
func (s *stage) failOver(primary, standby *pg.Server) {
	s.t.Helper()
	primary.Kill()
	standby.Run()
	standby.Promote()
	s.cables[primary.Instance].leadTo(net.JoinHostPort("127.0.0.1", fmt.Sprint(standby.Port)))
	s.servers[primary.Instance] = standby
	standby.Port = s.cables[primary.Instance].port()
}

func (s *stage) identities() map[string][]postgres.Identity {
	s.t.Helper()
	known := map[string][]postgres.Identity{}
	for name, server := range s.servers {
		id, err := postgres.IdentityOf(s.t.Context(), server.Server)
		must(s.t, err)
		known[name] = []postgres.Identity{id}
	}
	return known
}

// TestAStandbyThatIsOlderAndFollowsIsNotSwitchedTo: rows that the primary before had confirmed aren't sent again.
func TestAStandbyThatIsOlderAndFollowsIsNotSwitchedTo(t *testing.T) {
	for _, pair := range [][2]int{{15, 17}, {postgres.Latest, postgres.Oldest}} {
		t.Run(fmt.Sprintf("%d-%d", pair[0], pair[1]), func(t *testing.T) {
			s := newStage(t, pair[0], pair[1])
			blue, green := s.servers[s.active], s.other()
			standby := green.Standby(t)
			known := s.identities()
			standby.Stop()
			blue.Exec("orders", "INSERT INTO ledger (client, n) SELECT 1, generate_series(1, 500)")
			eventually(t, "the rows are confirmed", func() bool {
				return green.Query("orders", "SELECT count(*) FROM ledger") == "500" &&
					blue.Query("", "SELECT bool_and(confirmed_flush_lsn = pg_current_wal_lsn()) FROM pg_replication_slots") == "t"
			})
			s.failOver(green, standby)
			eventually(t, "it follows", func() bool {
				blue.Exec("orders", "INSERT INTO keyless VALUES (1, 1)")
				return standby.Query("orders", "SELECT count(*) > 0 FROM keyless") == "t"
			})
			if rows := standby.Query("orders", "SELECT count(*) FROM ledger"); rows == "500" {
				t.Fatal("the standby lacks nothing: this shows nothing")
			} else {
				t.Logf("%s of 500 rows are on the new primary", rows)
			}
			s.awaitGuard() // all that was looked at before is well
			in := s.input()
			in.Known = known
			_, err := switchover.Switch(t.Context(), in)
			var waiting *switchover.WaitingError
			if !errors.As(err, &waiting) || waiting.Obstacles[0].Kind != switchover.Replaced || !strings.Contains(err.Error(), "timeline") {
				t.Fatalf("switched to it: %v", err)
			}
			t.Log(err)

			standby.Exec("orders", "SET session_replication_role = replica; DELETE FROM ledger")
			blue.Exec("orders", "DELETE FROM ledger")
			s.awaitGuard()
			in = s.input()
			in.Known = s.identities() // as they are when rows were compared again
			_, err = switchover.Switch(t.Context(), in)
			must(t, err)
			s.switched(in)
			s.oneSideOpen()
		})
	}
}

// TestASubscriberWaitsForItsSynchronousStandbys before it confirms a row, also on the rollback path.
func TestASubscriberWaitsForItsSynchronousStandbys(t *testing.T) {
	s := newStage(t, 15, 17)
	blue, green := s.servers[s.active], s.other()
	standby := green.Standby(t)
	green.Exec("", "ALTER SYSTEM SET synchronous_standby_names = 'walreceiver'")
	green.Exec("", "SELECT pg_reload_conf()")
	commits := func(server *pg.Server) string {
		return server.Query("orders", "SELECT string_agg(DISTINCT subsynccommit, ' ') FROM pg_subscription")
	}
	eventually(t, "the setting counts", func() bool { return green.Query("", "SHOW synchronous_standby_names") == "walreceiver" })
	s.awaitGuard()
	if got := commits(green); got != "on" {
		t.Errorf("commits of the subscription: %s", got)
	}
	standby.Stop()
	blue.Exec("orders", "INSERT INTO keyless VALUES (1, 1)")
	eventually(t, "the row waits for the standby", func() bool {
		return green.Query("", "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type LIKE 'logical replication%'") == "t"
	})
	if blue.Query("", "SELECT bool_or(confirmed_flush_lsn = pg_current_wal_lsn()) FROM pg_replication_slots WHERE database = 'orders'") == "t" {
		t.Error("the row is confirmed, though the standby doesn't have it")
	}
	standby.Run()
	s.move()
	if got := commits(blue); got != "off" {
		t.Errorf("commits of the rollback path, to a server without standbys: %s", got)
	}
	s.move()
	if got := commits(green); got != "on" {
		t.Errorf("commits of the way to green again: %s", got)
	}
}

// TestANewSideThatForgetsItsOpeningIsOpenedAgain: right after the decision a standby is promoted that lacks it. One that
// lacks rows, too, stays closed.
func TestANewSideThatForgetsItsOpeningIsOpenedAgain(t *testing.T) {
	type loss struct {
		lost   switchover.Point
		opened bool
	}
	for _, c := range pg.Every(2, 1, []loss{{switchover.PointOpen, true}, {switchover.PointReady, true}, {switchover.PointHold, false}}) {
		t.Run("since "+string(c.lost), func(t *testing.T) {
			s := newStage(t, 15, 17)
			s.limits.Hold = 30e9
			blue, green := s.servers[s.active], s.other()
			standby := green.Standby(t)
			in := s.input()
			in.Trace = func(at switchover.Point) {
				if at == c.lost {
					standby.CatchUp(green)
					standby.Stop()
				}
				if at == switchover.PointHold { // clients go on up to here
					blue.Exec("orders", "INSERT INTO ledger (client, n) SELECT 1, generate_series(1, 100)")
				}
			}
			_, err := switchover.Switch(t.Context(), in)
			must(t, err)
			s.switched(in)
			s.failOver(green, standby)
			standby = s.servers[in.To.Instance]
			if fenced, err := postgres.IsFenced(t.Context(), standby.Server); err != nil || !fenced {
				t.Fatalf("fenced %t, %v: this shows nothing", fenced, err)
			}
			if c.lost == switchover.PointReady { // it may have stopped beside the drain: with the last row, without the sequences
				standby.Exec("orders", "SELECT setval('ledger_id_seq', 1)")
			}
			err = switchover.Reopen(t.Context(), in)
			if !c.opened {
				if err == nil || !strings.Contains(err.Error(), "lacks rows of database \"orders\"") {
					t.Fatalf("opened without its rows: %v", err)
				}
				t.Log(err)
				return
			}
			must(t, err)
			must(t, switchover.Reopen(t.Context(), in))
			s.oneSideOpen()
			if rows := standby.Query("orders", "SELECT count(*) FROM ledger"); rows != "100" {
				t.Errorf("%s of 100 rows", rows)
			}
			const last = "SELECT last_value FROM ledger_id_seq"
			if was, is := blue.Query("orders", last), standby.Query("orders", last); was != is {
				t.Errorf("the sequence is at %s, and was at %s", is, was)
			}
			conn := s.connect("app", "client", false)
			if _, err := conn.Exec(context.Background(), "INSERT INTO ledger (client, n) VALUES (2, 1)"); err != nil {
				t.Error(err)
			}
			must(t, switchover.Abandon(t.Context(), in))
		})
	}
}

// TestALateMarkerSaysNothingOfRowsThatWereLost: the new side dies between decision and opening, and a standby is promoted
// that lacks rows which were confirmed. The old side lets it have nothing more: with the marker, that may be sent
// again, it would look complete.
func TestALateMarkerSaysNothingOfRowsThatWereLost(t *testing.T) {
	s := newStage(t, 15, 17)
	s.limits.Hold = 30e9
	blue, green := s.servers[s.active], s.other()
	standby := green.Standby(t)
	in := s.input()
	in.Trace = func(at switchover.Point) {
		switch at {
		case switchover.PointHold:
			standby.CatchUp(green)
			standby.Stop()
			blue.Exec("orders", "INSERT INTO ledger (client, n) SELECT 1, generate_series(1, 100)")
		case switchover.PointOpen:
			green.Kill()
		}
	}
	var unfinished *switchover.UnfinishedError
	var undecided *switchover.UndecidedError
	if _, err := switchover.Switch(t.Context(), in); !errors.As(err, &unfinished) && !errors.As(err, &undecided) {
		t.Fatalf("the new side is dead: %v", err)
	}
	in.Trace = nil
	s.failOver(green, standby)
	for range 2 {
		state, _, err := switchover.Recover(t.Context(), in)
		if state != switchover.StateCommitted || err == nil || !strings.Contains(err.Error(), "lacks rows of database") {
			t.Fatalf("%s: %v", state, err)
		}
		if admitted := blue.Query("", "SELECT bool_or(datallowconn) FROM pg_database WHERE datname IN ('orders', 'stock')"); admitted != "f" {
			t.Error("the old side lets in who fetches the marker")
		}
	}
	if fenced, err := postgres.IsFenced(t.Context(), s.other().Server); err != nil || !fenced {
		t.Errorf("fenced %t, %v", fenced, err)
	}
}
