package switchover_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// supplier publishes a table that the stage's active side subscribes to, and writes into it all the time.
type supplier struct {
	t        *testing.T
	server   *pg.Server
	conninfo string
	written  int
	end      context.CancelFunc
	ended    chan struct{}
}

func newSupplier(t *testing.T) *supplier {
	s := &supplier{t: t, server: pg.Start(t, 18, pg.Logical), ended: make(chan struct{})}
	s.server.Exec("", "CREATE DATABASE source")
	s.server.Exec("source", `CREATE TABLE goods (id int PRIMARY KEY); CREATE PUBLICATION goods FOR TABLE goods;
		CREATE ROLE feeder LOGIN REPLICATION PASSWORD 'un''sa\id'; GRANT SELECT ON goods TO feeder`)
	s.conninfo = strings.ReplaceAll(fmt.Sprintf(`host=%s port=%d user=feeder password='un\'sa\\id' dbname=source`, s.server.Host, s.server.Port), "'", "''")
	ctx, end := context.WithCancel(t.Context())
	s.end = end
	conn, err := s.server.Connect(ctx, "source")
	must(t, err)
	go func() {
		defer close(s.ended)
		defer conn.Close(context.Background())
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				if _, err := conn.Exec(context.Background(), "INSERT INTO goods VALUES ($1)", s.written+1); err != nil {
					t.Errorf("the supplier can't write: %v", err)
					return
				}
				s.written++
			}
		}
	}()
	t.Cleanup(func() { end(); <-s.ended })
	return s
}

// stop writing, and say how many rows there are.
func (s *supplier) stop() string {
	s.end()
	<-s.ended
	return fmt.Sprint(s.written)
}

// TestASubscriptionOfOthersMovesWithTheTraffic, forth and back, through switches that are undone and one whose controller falls silent:
// no row of its publisher is lost or comes twice.
func TestASubscriptionOfOthersMovesWithTheTraffic(t *testing.T) {
	s := newStage(t, 15, 17)
	s.limits = crashLimits
	feed := newSupplier(t)
	for _, server := range s.servers {
		server.Exec("stock", "CREATE TABLE goods (id int PRIMARY KEY)")
	}
	s.awaitGuard()
	s.servers[s.active].Exec("stock", "CREATE SUBSCRIPTION \"the feed\" CONNECTION '"+feed.conninfo+"' PUBLICATION goods WITH (slot_name = feed)")
	s.servers[s.active].Exec("stock", "COMMENT ON SUBSCRIPTION \"the feed\" IS 'ours'")
	rows := func(server *pg.Server) string { return server.Query("stock", "SELECT count(*) FROM goods") }
	// state of the subscription on a server: enabled, slot, comment
	state := func(server *pg.Server) string {
		return server.Query("stock", "SELECT subenabled || ' ' || coalesce(subslotname, 'none') || ' ' || coalesce(obj_description(oid, 'pg_subscription'), '') FROM pg_subscription WHERE subname = 'the feed'")
	}
	const enabled, moved = "true feed ours", "false none ours"
	flows := func(what string) {
		t.Helper()
		if got := state(s.servers[s.active]); got != enabled {
			t.Errorf("%s: the subscription is %q, want %q", what, got, enabled)
		}
		before := rows(s.servers[s.active])
		eventually(t, what+": rows come", func() bool { return rows(s.servers[s.active]) != before })
	}
	s.named(s.obstacles(), switchover.OtherSubscription, `subscription "the feed"`, "spec.otherSubscriptions: Move")
	s.scope.MoveSubscriptions = true
	s.awaitGuard()

	refused := s.input()
	report := refused.Report
	refused.Report = func(phase protocol.Phase) error {
		if phase == protocol.PhaseHoldBegins {
			if got := s.servers[s.active].Query("stock", "SELECT subenabled FROM pg_subscription WHERE subname = 'the feed'"); got != "f" {
				t.Error("it is enabled just before the hold")
			}
			return errors.New("no")
		}
		return report(phase)
	}
	_, err := switchover.Switch(t.Context(), refused)
	var aborted *switchover.AbortedError
	if !errors.As(err, &aborted) {
		t.Fatalf("%v", err)
	}
	s.say(nil)
	flows("after a switch that was undone")

	points, moves := []switchover.Point{switchover.PointDecide, switchover.PointFinish}, 1
	if pg.Full {
		points, moves = switchover.Points, 3
	}
	for _, point := range points {
		s.awaitGuard()
		in := s.input()
		wake, ended := s.sleepAt(in, point)
		s.awaitLetGo()
		stands, _, err := switchover.Recover(t.Context(), in)
		must(t, err)
		s.ended(in, stands)
		close(wake)
		<-ended //nolint:errcheck // the switch was interrupted
		flows("silent at " + string(point) + ", " + string(stands))
	}

	for range moves {
		s.awaitGuard()
		in := s.input()
		if _, err := switchover.Switch(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		s.switched(in)
		if got := state(s.other()); got != moved {
			t.Errorf("the side that was left has it %q, want %q", got, moved)
		}
		flows("after a switch to " + s.active)
	}

	want := feed.stop()
	eventually(t, "every row is on the side that serves", func() bool { return rows(s.servers[s.active]) == want })
	eventually(t, "every row is on the side that follows", func() bool { return rows(s.other()) == want })
	t.Logf("%s rows", want)
	for _, server := range s.servers {
		if text := server.Log(); strings.Contains(text, `sa\`) {
			t.Errorf("the log of %s has the feed's password", server.Instance)
		}
	}
	for _, server := range append([]*pg.Server{feed.server}, s.servers[s.active], s.other()) {
		if n := server.Query("", "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'feed'"); (n == "1") != (server == feed.server) {
			t.Errorf("%s has %s slots called feed", server.Instance, n)
		}
	}
}

// TestASubscriptionThatCanNotBeMovedIsNamed, and nothing is held.
func TestASubscriptionThatCanNotBeMovedIsNamed(t *testing.T) {
	s := newStage(t, 17, 15)
	feed := newSupplier(t)
	for _, server := range s.servers {
		server.Exec("stock", "CREATE TABLE goods (id int PRIMARY KEY); CREATE TABLE more (id int PRIMARY KEY)")
	}
	s.awaitGuard()
	active := s.servers[s.active]
	active.Exec("stock", "CREATE SUBSCRIPTION feed CONNECTION '"+feed.conninfo+"' PUBLICATION goods WITH (origin = none)")
	s.scope.MoveSubscriptions = true
	move := func() []switchover.Obstacle {
		t.Helper()
		_, err := switchover.Switch(t.Context(), s.input())
		s.say(nil)
		var waiting *switchover.WaitingError
		if !errors.As(err, &waiting) {
			t.Fatalf("%v", err)
		}
		return waiting.Obstacles
	}
	s.named(move(), switchover.OtherSubscription, "subscription feed", "can't be moved: origin is none, which version 15 doesn't have")
	active.Exec("stock", "ALTER SUBSCRIPTION feed SET (origin = any)")

	s.other().Exec("stock", "SET default_transaction_read_only = off; CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false, slot_name = 'theirs')")
	s.named(move(), switchover.OtherSubscription, `database "stock"`, "the new side has another one of that name")
	s.other().Exec("stock", "SET default_transaction_read_only = off; ALTER SUBSCRIPTION feed SET (slot_name = NONE)")

	feed.server.Exec("", "ALTER ROLE feeder NOLOGIN")
	s.named(move(), switchover.OtherSubscription, `database "stock"`, `subscription "feed" can't be moved`, "not permitted to log in")
	feed.server.Exec("", "ALTER ROLE feeder LOGIN")

	feed.server.Exec("source", "CREATE TABLE more (id int PRIMARY KEY); ALTER PUBLICATION goods ADD TABLE more")
	s.named(move(), switchover.OtherSubscription, `database "stock"`, "public.more", `ALTER SUBSCRIPTION "feed" REFRESH PUBLICATION`)
	if got := active.Query("stock", "SELECT subenabled FROM pg_subscription WHERE subname = 'feed'"); got != "t" {
		t.Error("it isn't enabled any more")
	}
}
