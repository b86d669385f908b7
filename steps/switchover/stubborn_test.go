package switchover_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// TestAStubbornClientIsServedOrNamedAndLosesNothing tells, one after the other on one stage, what
// clients do that a switch can't simply hold. After each story nothing is held, one side is
// open, and at the end the ledger of everybody else balances.
func TestAStubbornClientIsServedOrNamedAndLosesNothing(t *testing.T) {
	s := newStage(t, 15, 17)
	s.tellEach(switchover.Limits{}, pg.Every(2, 0, []story{
		{"a superuser's transaction past the poolers is named, and let alone", (*stage).oldTransaction},
		{"a COPY that takes too long is named, and completes", (*stage).copyInFlight},
		{"a query that takes too long is ended where the spec says so", (*stage).longQuery},
		{"a session that LISTENs in session pooling is named until it leaves", (*stage).listener},
		{"prepared statements stay prepared", (*stage).preparedStatement},
		{"a session past the poolers loses its advisory lock, and can't come back", (*stage).lockHolder},
		{"a flood of connections doesn't keep traffic from going on", (*stage).flood},
	}))
}

// story that is told on a stage which others are told on, too.
type story struct {
	name string
	tell func(*stage)
}

// tellEach story with these limits, while clients write: after each nothing is held and one side is open, and at the end the
// ledger balances.
func (s *stage) tellEach(limits switchover.Limits, stories []story) {
	s.t.Helper()
	whole, l := s.t, s.startLedger()
	for _, story := range stories {
		whole.Run(story.name, func(t *testing.T) {
			s.t, s.limits = t, switchover.Limits{}
			s.awaitGuard()
			s.limits = limits
			story.tell(s)
			s.awaitLetGo()
			s.allServe()
			s.oneSideOpen()
		})
	}
	s.t = whole
	l.balances()
}

func (s *stage) oldTransaction() {
	s.makeRole("root SUPERUSER")
	conn := s.connect("root", "by-hand", true)
	_, err := conn.Exec(s.t.Context(), "BEGIN; CREATE TABLE IF NOT EXISTS forgotten (); SELECT 'secret of mine'")
	must(s.t, err)
	s.runs("by-hand", "idle in transaction")
	s.limits.LongTransaction = 10 * time.Millisecond
	s.named(s.obstacles(), switchover.LongTransaction, "pid ", "user root", `application "by-hand"`, "database orders", "from 127.0.0.1",
		"idle in transaction", "transaction open for", "last query started 20")
	_, err = conn.Exec(s.t.Context(), "ROLLBACK")
	must(s.t, err)
	s.limits = switchover.Limits{}
	s.wasEnded(s.move(), "by-hand")
}

func (s *stage) copyInFlight() {
	s.makeTable("copied")
	conn := s.connect("app", "loader", false)
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := conn.PgConn().CopyFrom(context.Background(), reader, "COPY copied FROM STDIN")
		done <- err
	}()
	_, err := writer.Write([]byte("1\n"))
	must(s.t, err)
	s.runs("loader", "active")
	s.limits.Drain = 200 * time.Millisecond
	s.named(s.obstacles(), switchover.LongTransaction, "user app", `application "loader"`, "active")
	_, err = writer.Write([]byte("2\n"))
	must(s.t, err)
	must(s.t, writer.Close())
	must(s.t, <-done)
	s.limits = switchover.Limits{}
	s.move()
	if got := s.servers[s.active].Query("orders", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM copied"); got != "1 2" {
		s.t.Errorf("copied %q", got)
	}
}

func (s *stage) longQuery() {
	conn := s.connect("app", "nightly", false)
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_sleep(600)")
		done <- err
	}()
	s.runs("nightly", "active")
	s.limits = switchover.Limits{Drain: 200 * time.Millisecond, LongTransactions: switchover.Terminate}
	s.wasEnded(s.move(), "nightly")
	if err := <-done; err == nil {
		s.t.Error("the query ended well, on a side that was left")
	}
}

func (s *stage) listener() {
	s.makeRole("listener")
	p := s.poolers[0]
	p.configure("pgbouncer.ini", "[pgbouncer]\n", "[users]\nlistener = pool_mode=session\n[pgbouncer]\n")
	p.configure("userlist.txt", "\"app\"", "\"listener\" \"listener\"\n\"app\"")
	conn := s.connect("listener", "worker", false)
	_, err := conn.Exec(s.t.Context(), "LISTEN jobs")
	must(s.t, err)
	s.limits = switchover.Limits{Drain: 200 * time.Millisecond, LongTransaction: time.Hour}
	words := []string{"user listener", `application "worker"`, "database orders", "from 127.0.0.1", "connected for"}
	s.named(s.obstacles(), switchover.SessionPooling, words...)
	eventually(s.t, "it is connected for longer than the limit", func() bool {
		s.limits.LongTransaction = 500 * time.Millisecond
		obstacles, err := switchover.Guard(s.t.Context(), s.input())
		must(s.t, err)
		if len(obstacles) == 0 {
			return false
		}
		s.named(obstacles, switchover.SessionPooling, words...)
		return true
	})
	must(s.t, conn.Close(s.t.Context()))
	s.limits = switchover.Limits{}
	s.move()
}

func (s *stage) preparedStatement() {
	conn := s.connect("app", "", false)
	_, err := conn.Prepare(s.t.Context(), "which", "SELECT current_setting('server_version_num')::int / 10000 + $1::int")
	must(s.t, err)
	for range 2 {
		var major int
		must(s.t, conn.QueryRow(s.t.Context(), "which", 0).Scan(&major))
		if major != s.servers[s.active].Major {
			s.t.Errorf("answered by %d, active is %s", major, s.active)
		}
		s.move()
	}
}

func (s *stage) lockHolder() {
	conn := s.connect("app", "singleton", true)
	_, err := conn.Exec(s.t.Context(), "SELECT pg_advisory_lock(7)")
	must(s.t, err)
	old := s.way("app", "singleton", true)
	s.wasEnded(s.move(), "singleton")
	if err := conn.Ping(s.t.Context()); err == nil {
		s.t.Error("the session lives on")
	}
	_, err = pgx.ConnectConfig(s.t.Context(), old)
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "53300" {
		s.t.Errorf("a new session on the side that was left: %v", err)
	}
}

// flood connects more clients during the hold than the pooler takes. Those it takes wait and are
// served; the others are told so at once.
func (s *stage) flood() {
	p := s.poolers[0]
	p.configure("pgbouncer.ini", "max_client_conn = 500", "max_client_conn = 40")
	in := s.input()
	var served, refused atomic.Int64
	var clients sync.WaitGroup
	in.Trace = func(at switchover.Point) {
		if at != switchover.PointMove {
			return
		}
		for range 80 {
			clients.Go(func() {
				conn, err := pgx.ConnectConfig(context.Background(), s.way("app", "flood", false))
				if err != nil {
					refused.Add(1)
					return
				}
				defer conn.Close(context.Background())
				if _, err := conn.Exec(context.Background(), "SELECT 1"); err != nil {
					s.t.Errorf("a client that the pooler took: %v", err)
				}
				served.Add(1)
			})
		}
		eventually(s.t, "the pooler is full", func() bool { return refused.Load() > 0 })
	}
	result, err := switchover.Switch(s.t.Context(), in)
	must(s.t, err)
	s.switched(in)
	clients.Wait()
	if served.Load() == 0 || refused.Load() == 0 {
		s.t.Errorf("%d clients were served, %d refused", served.Load(), refused.Load())
	}
	s.t.Logf("%d clients were served, %d refused; held for %v", served.Load(), refused.Load(), result.Held)
}
