package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/test/ledger"
)

func isAs[T error](err error, target *T) bool { return errors.As(err, target) }

// connect as an application does.
func (s *stage) connect(ctx context.Context, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable connect_timeout=10")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.User, config.Password, config.Database = "127.0.0.1", uint16(s.proxy.port), "app", appPassword, database
	return pgx.ConnectConfig(ctx, config)
}

// traffic is clients that keep a ledger, and one that opens a connection after the other.
type traffic struct {
	*ledger.Workload
	s       *stage
	stop    context.CancelFunc
	running sync.WaitGroup
	failure error
	// answered is when the last knock was answered that began then.
	answered time.Time

	mu sync.Mutex
	// refusedSince is when the first of the attempts began that were refused since the last that succeeded.
	refusedSince time.Time
	refusals     int
	felt         felt
}

// felt is what clients felt since they were asked last.
type felt struct {
	// connect is the longest time that a new connection took, with all attempts that were refused before it; refused the
	// longest time from a refused attempt to the end of the next that succeeded.
	connect, refused time.Duration
	refusals         int
	// worst transaction of the clients that stay connected; failed transactions, and sessions that were closed.
	worst       time.Duration
	failed, cut int
}

func (f felt) String() string {
	return fmt.Sprintf("worst transaction %d ms, %d failed, %d sessions closed; a new connection waited for at most %d ms, refused for at most %d ms (%d times)",
		f.worst.Milliseconds(), f.failed, f.cut, f.connect.Milliseconds(), f.refused.Milliseconds(), f.refusals)
}

func (s *stage) startTraffic() *traffic {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &traffic{s: s, stop: cancel}
	l.Workload = ledger.New(ledger.Config{Databases: databases, Clients: 12, Rate: 150, Connect: s.connect})
	l.running.Go(func() { l.failure = l.Run(ctx) })
	l.running.Go(func() { l.knock(ctx) })
	s.t.Cleanup(func() { cancel(); l.running.Wait() })
	return l
}

// knock opens one connection after the other.
func (l *traffic) knock(ctx context.Context) {
	for ctx.Err() == nil {
		begun := time.Now()
		err := l.knockOnce()
		l.mu.Lock()
		if l.refusedSince.IsZero() && err != nil {
			l.refusedSince = begun
		}
		if err == nil {
			l.answered = begun
		}
		switch {
		case err != nil:
			l.refusals++
		case l.refusedSince.IsZero():
			l.felt.connect = max(l.felt.connect, time.Since(begun))
		default:
			l.felt.refused = max(l.felt.refused, time.Since(l.refusedSince))
			l.felt.connect = max(l.felt.connect, l.felt.refused)
			l.refusedSince = time.Time{}
		}
		l.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (l *traffic) knockOnce() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := l.s.connect(ctx, databases[0])
	if err == nil {
		_, _ = conn.Exec(ctx, "SELECT 1") // a switch may close it meanwhile, as any other session
		_ = conn.Close(ctx)
	}
	return err
}

// open says whether the last knock was answered.
func (l *traffic) open() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refusedSince.IsZero()
}

// knocks returns when a connection that was begun after a time was answered.
func (l *traffic) knocks(after time.Time) {
	l.s.t.Helper()
	if !within(limits.Hold+time.Second, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.answered.After(after)
	}) {
		l.s.t.Errorf("no new connection is answered\n%s", l.s.proxy.log())
	}
}

// mark begins what feltSince tells.
func (l *traffic) mark() (time.Time, felt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.felt, l.refusals = felt{}, 0
	_, failed, cut := l.Count()
	return time.Now(), felt{failed: failed, cut: cut}
}

// feltSince mark, once clients go on.
func (l *traffic) feltSince(begun time.Time, before felt) felt {
	l.s.t.Helper()
	now, _, _ := l.Count()
	if !within(20*time.Second, func() bool { n, _, _ := l.Count(); return n > now+40 && l.open() }) {
		l.s.t.Fatalf("clients do not go on\n%s", l.s.proxy.log())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.felt
	f.refusals = l.refusals
	_, failed, cut := l.Count()
	f.worst, f.failed, f.cut = l.Worst(begun), failed-before.failed, cut-before.cut
	return f
}

// balances ends the traffic and compares its ledger with what the active side holds, and with the servers' own records of what
// they accepted, and when.
func (l *traffic) balances() {
	l.s.t.Helper()
	l.stop()
	l.running.Wait()
	must(l.s.t, l.failure)
	states := map[string]ledger.State{}
	for _, db := range databases {
		conn, err := l.s.servers[l.s.active].Connect(l.s.t.Context(), db)
		must(l.s.t, err)
		states[db], err = ledger.Read(l.s.t.Context(), conn)
		must(l.s.t, err)
		must(l.s.t, conn.Close(context.Background()))
	}
	report := ledger.Check(l.History(), states, ledger.Options{Switches: -1, Accepted: l.s.readWAL(), Handovers: l.s.handovers})
	if !report.OK() || report.Acknowledged == 0 {
		l.s.t.Errorf("the ledger does not balance: %+v", report)
	}
	l.s.t.Logf("%s: %d writes acknowledged, %d found, %d missing, %d doubled, %d accepted on the wrong side; %v", l.s.kind.name,
		report.Acknowledged, report.Found, report.Missing, report.Doubled, report.SplitBrain, report.Turns)
}

// readWAL of both servers and return the commits of clients so far. What came before the first switch was made by the test.
func (s *stage) readWAL() []ledger.Accepted {
	s.t.Helper()
	var all []ledger.Accepted
	for name, server := range s.servers {
		reader := s.readers[name]
		for _, db := range databases {
			conn, err := server.Connect(s.t.Context(), db)
			must(s.t, err)
			must(s.t, reader.WatchDatabase(s.t.Context(), conn))
			must(s.t, conn.Close(context.Background()))
		}
		conn, err := server.Connect(s.t.Context(), "")
		must(s.t, err)
		piece, err := reader.Next(s.t.Context(), conn)
		must(s.t, err)
		must(s.t, conn.Close(context.Background()))
		must(s.t, reader.ReadDump(server.Shell(s.t.Context(), ledger.DumpWAL(piece))))
		all = append(all, reader.Accepted()...)
	}
	// what came before was made by the test itself
	return slices.DeleteFunc(all, func(a ledger.Accepted) bool { return a.At.Before(s.furnished) })
}
