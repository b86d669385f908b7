package conformance

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/agent"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/ledger"
	"github.com/gitover/gitover/test/pg"
	"github.com/gitover/gitover/test/pgpooler"
)

const appPassword = "app secret"

var databases = []string{"orders", "stock"}

// limits end a hold sooner than the default does.
var limits = switchover.Limits{Hold: 5 * time.Second, Margin: 2 * time.Second}

// stage is two servers that replicate, a proxy before them, and what PgProxy says.
type stage struct {
	t         *testing.T
	kind      kind
	servers   map[string]*pg.Server
	readers   map[string]*ledger.WALReader
	names     postgres.Names
	source    *pgpooler.Source
	authority *protocol.Authority
	// client is the controller's certificate.
	client protocol.KeyPair
	proxy  *proxy
	// service is set for that kind.
	service serviceAccess
	active  string
	// lookup is DNS, unless it is nil.
	lookup func(context.Context, string, string) ([]netip.Addr, error)
	// quiet: a controller that died writes nothing into PgProxy any more.
	quiet    atomic.Bool
	switches int
	// furnished is when the test had made all that applications have.
	furnished time.Time
	handovers []ledger.Handover
}

func newStage(t *testing.T, k kind) *stage {
	t.Helper()
	s := &stage{
		t: t, kind: k, servers: map[string]*pg.Server{}, readers: map[string]*ledger.WALReader{}, source: pgpooler.NewSource(),
		names: postgres.Names{UID: "0c4a9a3e-5a35-4d5c-9a5f-1f0c0a6b8f11"}, active: "orders-15",
	}
	for _, major := range []int{15, 17} {
		server := pg.Start(t, major, pg.Settings{
			"wal_level": "logical", "max_worker_processes": "24", "max_logical_replication_workers": "16", "max_connections": "150",
			"track_commit_timestamp": "on",
		})
		server.Instance = fmt.Sprintf("orders-%d", major)
		s.servers[server.Instance] = server
		s.readers[server.Instance] = ledger.NewWALReader(server.Instance)
	}
	blue, green := s.servers["orders-15"], s.servers["orders-17"]
	blue.Exec("", "CREATE ROLE app LOGIN PASSWORD '"+appPassword+"'")
	green.Exec("", "CREATE ROLE app LOGIN PASSWORD '"+blue.Query("", "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")+"'")
	for _, server := range s.servers {
		s.furnish(server)
	}
	must(t, fence.FenceStandby(t.Context(), green.Server, databases))
	for _, db := range databases {
		must(t, replication.GiveIdentitiesToBoth(t.Context(), blue.Server, green.Server, db, s.names))
		pg.Subscribe(t, blue, green, s.names, db, false)
	}
	s.authority, s.client = pgpooler.Certificates(t)
	s.say(nil)
	s.proxy = k.start(s)
	s.say(nil)
	s.furnished = time.Now()
	return s
}

// furnish makes what applications have on a server, and the register.
func (s *stage) furnish(server *pg.Server) {
	s.t.Helper()
	for _, db := range databases {
		server.Exec("", "CREATE DATABASE "+db)
		conn, err := server.Connect(s.t.Context(), db)
		must(s.t, err)
		must(s.t, ledger.InstallFor(s.t.Context(), conn, "app"))
		must(s.t, conn.Close(s.t.Context()))
	}
	pg.Prepare(s.t, server)
}

func (s *stage) other() *pg.Server {
	for name, server := range s.servers {
		if name != s.active {
			return server
		}
	}
	return nil
}

// say publishes what PgProxy's status would.
func (s *stage) say(sw *agent.ActiveSwitch) {
	s.source.Set(agent.Active{Target: protocol.TargetOf(s.servers[s.active].Server, databases), Switch: sw})
}

// input is a switch to the other side.
func (s *stage) input() switchover.Input {
	s.switches++
	s.quiet.Store(false)
	in := switchover.Input{
		ID: fmt.Sprintf("switch-%d", s.switches), From: s.servers[s.active].Server, To: s.other().Server, Databases: databases,
		Names: s.names, Limits: limits, Who: "controller", Poolers: []switchover.Pooler{s.proxy.pooler}, Sessions: s.kind.sessions, Alone: s.kind.alone,
	}
	in.Report = func(phase protocol.Phase) error {
		s.say(&agent.ActiveSwitch{ID: in.ID, Holding: phase != protocol.PhasePreparing, To: protocol.TargetOf(in.To, databases), Limits: in.Limits.OfHold()})
		return nil
	}
	return in
}

// ended records how a switch ended.
func (s *stage) ended(in switchover.Input, state switchover.State, held, resumed time.Time) {
	if state == switchover.StateCommitted {
		s.handovers = append(s.handovers, ledger.Handover{From: in.From.Instance, To: in.To.Instance, Held: held, Resumed: resumed})
		s.active = in.To.Instance
	}
	s.say(nil)
}

// end a switch whatever way it ended, as the controllers do.
func (s *stage) end(in switchover.Input, result switchover.Result, err error) switchover.State {
	s.t.Helper()
	var aborted *switchover.AbortedError
	began := result.HeldAt
	switch {
	case err == nil:
		s.ended(in, switchover.StateCommitted, began, began.Add(result.Held))
		return switchover.StateCommitted
	case isAs(err, &aborted):
		s.ended(in, switchover.StateAborted, began, time.Now())
		return switchover.StateAborted
	}
	s.t.Logf("the switch is recovered: %v", err)
	return s.recover(in, began)
}

// recover a switch as the next controller does.
func (s *stage) recover(in switchover.Input, began time.Time) switchover.State {
	s.t.Helper()
	var state switchover.State
	var last error
	if !within(30*time.Second, func() bool {
		state, _, last = switchover.Recover(s.t.Context(), in)
		return state != switchover.StateUnknown && last == nil
	}) {
		s.t.Fatalf("the switch does not end: %s, %v", state, last)
	}
	s.ended(in, state, began, time.Now())
	return state
}

// awaitGuard returns when nothing stands in the way of a switch.
func (s *stage) awaitGuard() {
	s.t.Helper()
	var last string
	if !within(30*time.Second, func() bool {
		in := s.input()
		s.switches--
		obstacles, err := switchover.Guard(s.t.Context(), in)
		last = fmt.Sprint(obstacles, err)
		return err == nil && len(obstacles) == 0
	}) {
		s.t.Fatalf("the guard does not open: %s\n%s", last, s.proxy.log())
	}
}

// oneSideOpen checks the fences.
func (s *stage) oneSideOpen() {
	s.t.Helper()
	for name, server := range s.servers {
		r, err := fence.OpenRegister(s.t.Context(), server.Server)
		must(s.t, err)
		states, err := r.Fences(s.t.Context(), databases)
		r.Close(s.t.Context())
		must(s.t, err)
		for _, f := range states {
			if f.Fenced() == (name == s.active) {
				s.t.Errorf("%s of %s: fenced is %t, active is %s", f.Database, name, f.Fenced(), s.active)
			}
		}
	}
}

// leads waits until the proxy lets clients go to the active side.
func (s *stage) leads() {
	s.t.Helper()
	var last string
	if !within(20*time.Second, func() bool {
		state, err := s.proxy.pooler.State(s.t.Context())
		last = fmt.Sprintf("%s, paused %t, %v", state.Target.Instance, state.Paused, err)
		return err == nil && !state.Paused && state.Verified && state.Target.Instance == s.active
	}) {
		s.t.Fatalf("the proxy does not lead to %s: %s\n%s", s.active, last, s.proxy.log())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// within looks again and again until a condition holds, and says whether it did in time.
func within(patience time.Duration, ok func() bool) bool {
	tick, end := time.NewTicker(20*time.Millisecond), time.NewTimer(patience)
	defer tick.Stop()
	defer end.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			return false
		}
	}
	return true
}
