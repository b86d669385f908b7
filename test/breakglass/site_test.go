package breakglass

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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

const (
	blueName, greenName = "orders-15", "orders-17"
	appPassword         = "app secret"
	// limit of a hold: agents that nobody hears let go after it.
	limit = 4 * time.Second
)

var databases = []string{"orders", "stock"}

// site is an installation in mid-upgrade: two servers that replicate, a pooler with its agent, clients with a ledger.
type site struct {
	t       *testing.T
	servers map[string]*pg.Server
	names   postgres.Names
	source  *pgpooler.Source
	pooler  *pgpooler.Pooler
	agent   *protocol.Client
	active  string
	// lost is the server that will never answer again.
	lost string

	switches int
	work     *ledger.Workload
	stop     context.CancelFunc
	ended    chan error
	// over are switches in which a controller that sleeps writes nothing any more.
	over chan struct{}
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{
		t: t, servers: map[string]*pg.Server{}, source: pgpooler.NewSource(), active: blueName,
		names: postgres.Names{UID: "0c4a9a3e-5a35-4d5c-9a5f-1f0c0a6b8f11"},
	}
	for name, major := range map[string]int{blueName: 15, greenName: 17} {
		server := pg.Start(t, major, pg.Settings{
			"wal_level": "logical", "max_worker_processes": "24", "max_logical_replication_workers": "16", "max_connections": "150",
		})
		server.Instance, s.servers[name] = name, server
	}
	blue, green := s.servers[blueName], s.servers[greenName]
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
	s.say(nil)
	s.startPooler()
	s.awaitGuard()
	s.startClients()
	return s
}

// furnish makes what applications have on a server, and the register.
func (s *site) furnish(server *pg.Server) {
	s.t.Helper()
	for _, db := range databases {
		server.Exec("", "CREATE DATABASE "+db)
		conn, err := server.Connect(s.t.Context(), db)
		must(s.t, err)
		must(s.t, ledger.InstallFor(s.t.Context(), conn, "app"))
		conn.Close(s.t.Context())
		server.Exec(db, `CREATE TABLE keyless (a int NOT NULL); CREATE SEQUENCE never; CREATE SEQUENCE "odd "" name"; SELECT setval('"odd "" name"', 41)`)
	}
	pg.Prepare(s.t, server)
}

func (s *site) startPooler() {
	authority, client := pgpooler.Certificates(s.t)
	config, err := protocol.ClientTLS(authority.Pair.Certificate, client, pgpooler.Proxy, pgpooler.Namespace)
	must(s.t, err)
	s.pooler = pgpooler.Start(s.t, pgpooler.Options{
		Name: "pooler-0", Authority: authority, Users: map[string]string{"app": appPassword},
		Role: pg.AgentRole, Password: pg.AgentPassword, Source: s.source,
	})
	s.agent = protocol.NewClient("pooler-0", s.pooler.Address, config)
}

// other than the side that serves.
func (s *site) other() *pg.Server {
	if s.active == blueName {
		return s.servers[greenName]
	}
	return s.servers[blueName]
}

// say publishes what PgProxy's status would.
func (s *site) say(sw *agent.ActiveSwitch) {
	s.source.Set(agent.Active{Target: protocol.TargetOf(s.servers[s.active].Server, databases), Switch: sw})
}

// input of a switch to the other side.
func (s *site) input() switchover.Input {
	s.switches++
	in := switchover.Input{
		ID: fmt.Sprintf("switch-%d", s.switches), From: s.servers[s.active].Server, To: s.other().Server, Databases: databases,
		Names: s.names, Limits: switchover.Limits{Hold: limit, Margin: time.Second}, Who: "controller", Poolers: []switchover.Pooler{s.agent},
	}
	over := make(chan struct{})
	s.over = over
	in.Report = func(phase protocol.Phase) error {
		select {
		case <-over:
		default:
			s.say(&agent.ActiveSwitch{ID: in.ID, Holding: phase != protocol.PhasePreparing, To: protocol.TargetOf(in.To, databases), Limits: in.Limits.OfHold()})
		}
		return nil
	}
	return in
}

func (s *site) awaitGuard() {
	s.t.Helper()
	var last string
	eventually(s.t, "the guard opens", func() bool {
		in := s.input()
		s.switches--
		obstacles, err := switchover.Guard(s.t.Context(), in)
		if now := fmt.Sprint(obstacles, err); now != last {
			s.t.Log(now)
			last = now
		}
		return err == nil && len(obstacles) == 0
	})
}

// move makes a switch that must succeed.
func (s *site) move() {
	s.t.Helper()
	s.awaitGuard()
	in := s.input()
	_, err := switchover.Switch(s.t.Context(), in)
	must(s.t, err)
	s.active = in.To.Instance
	s.say(nil)
}

// startClients writes through the pooler and remembers what was answered.
func (s *site) startClients() {
	s.work = ledger.New(ledger.Config{Databases: databases, Clients: 6, Rate: 60, Connect: func(ctx context.Context, database string) (*pgx.Conn, error) {
		return s.connect(ctx, s.pooler.Admin.Port, database)
	}})
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.ended = cancel, make(chan error, 1)
	go func() { s.ended <- s.work.Run(ctx) }()
	s.t.Cleanup(cancel)
	s.awaitWrites()
}

func (s *site) connect(ctx context.Context, port int, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("sslmode=disable connect_timeout=5")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.User, config.Password, config.Database = "127.0.0.1", uint16(port), "app", appPassword, database
	return pgx.ConnectConfig(ctx, config)
}

// awaitWrites returns when clients were told of more writes.
func (s *site) awaitWrites() {
	s.t.Helper()
	count := func() int {
		n := 0
		for _, t := range s.work.History() {
			if t.Outcome == ledger.Acknowledged {
				n++
			}
		}
		return n
	}
	before := count()
	eventually(s.t, "clients write", func() bool { return count() >= before+40 })
}

// balances ends the clients, and looks for every write that they were told of on the side that serves.
func (s *site) balances() {
	s.t.Helper()
	s.stop()
	must(s.t, <-s.ended)
	states := map[string]ledger.State{}
	for _, db := range databases {
		conn, err := s.servers[s.active].Connect(s.t.Context(), db)
		must(s.t, err)
		states[db], err = ledger.Read(s.t.Context(), conn)
		must(s.t, err)
		conn.Close(s.t.Context())
	}
	report := ledger.Check(s.work.History(), states, ledger.Options{Switches: -1})
	if !report.OK() || report.Acknowledged == 0 {
		s.t.Errorf("the ledger does not balance on %s: %+v", s.active, report)
	}
	s.t.Logf("%v, %d writes acknowledged, %d found on %s", report.Transactions, report.Acknowledged, report.Found, s.active)
}

// oneSideWrites fails unless applications can write on the side that serves, through the pooler, and nowhere else.
func (s *site) oneSideWrites() {
	s.t.Helper()
	try := func(port, major int) (string, error) {
		way := postgres.Server{Host: "127.0.0.1", Port: port, User: "app", Password: appPassword}
		return psql(s.t, way, major, "orders", blockOf(s.t, "write.sql"), nil)
	}
	major := s.servers[s.active].Major
	if out, err := try(s.pooler.Admin.Port, 17); err != nil || !strings.HasPrefix(out, fmt.Sprint(major, ".")) || !strings.HasSuffix(out, "|off") {
		s.t.Errorf("through the pooler, which should lead to PostgreSQL %d: %v %s", major, err, out)
	}
	for name, server := range s.servers {
		if s.lost == name {
			continue
		}
		out, err := try(server.Port, server.Major)
		refused := strings.Contains(out, "too many connections") || strings.Contains(out, "not currently accepting connections")
		if open := name == s.active; open && err != nil || !open && !refused {
			s.t.Errorf("past the pooler to %s, while %s serves: %v %s", name, s.active, err, out)
		}
		for _, line := range strings.Split(sql(s.t, server, "gitover", "read.sql", nil), "\n") {
			if strings.HasPrefix(line, "orders|") && strings.HasSuffix(line, "|open") != (name == s.active) {
				s.t.Errorf("read.sql says of %s, while %s serves: %s", name, s.active, line)
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick, end := time.NewTicker(50*time.Millisecond), time.NewTimer(40*time.Second)
	defer tick.Stop()
	defer end.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("not within 40 s: %s", what)
		}
	}
}
