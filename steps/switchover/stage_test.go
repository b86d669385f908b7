package switchover_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/agent"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/certs"
	"github.com/gitover/gitover/test/pg"
	"github.com/gitover/gitover/test/pgpooler"
)

const (
	appPassword   = "app secret"
	agentRole     = pg.AgentRole
	agentPassword = pg.AgentPassword
)

var databases = []string{"orders", "stock"}

// poolers of a stage.
const poolers = 2

// schema has tables of several kinds, and sequences that are hard to copy.
const schema = `
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
CREATE TABLE ledger (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client int NOT NULL, n bigint NOT NULL, UNIQUE (client, n));
CREATE TABLE keyless (client int NOT NULL, n bigint NOT NULL); ALTER TABLE keyless REPLICA IDENTITY FULL;
CREATE SEQUENCE down INCREMENT -3 MAXVALUE 10 MINVALUE -1000000;
CREATE SEQUENCE round MAXVALUE 5 CYCLE;
CREATE SEQUENCE cached CACHE 20;
CREATE SEQUENCE never START 7;
CREATE SEQUENCE untouched;
CREATE SEQUENCE "odd "" name";
GRANT ALL ON ALL TABLES IN SCHEMA public TO app; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app;`

// stage is two servers that replicate, two poolers with agents, and what PgProxy says.
type stage struct {
	t       *testing.T
	servers map[string]*pg.Server
	// cables are the ways to the servers, by instance.
	cables    map[string]*cable
	names     postgres.Names
	source    *pgpooler.Source
	poolers   []*pooler
	authority *protocol.Authority
	client    protocol.KeyPair
	active    string
	switches  int
	// over are the switches that were recovered, by id
	over   sync.Map
	limits switchover.Limits
	// scope is what the spec says.
	scope preflight.Scope
	// poolerSettings are PgBouncer's beside those of the examples.
	poolerSettings pg.Settings
}

// pooler is a PgBouncer with its agent.
type pooler struct {
	*pgpooler.Pooler
	stage *stage
	name  string
	agent *protocol.Client
	// cable is the controller's way to the agent.
	cable *cable
}

func newStage(t *testing.T, from, to int) *stage {
	t.Helper()
	return newStageOver(t, nil, from, to)
}

// newStageOver has servers and poolers speak TLS with certificates of authority, and verify
// each other fully; nil is a stage without TLS.
func newStageOver(t *testing.T, authority *certs.Authority, from, to int) *stage {
	t.Helper()
	return newStageOf(t, authority, aServer(t, from), aServer(t, to))
}

// start makes a server.
type start func(pg.Settings) *pg.Server

func aServer(t *testing.T, major int) start {
	return func(settings pg.Settings) *pg.Server { return pg.Start(t, major, settings) }
}

// newStageOf moves from the first server to the second.
func newStageOf(t *testing.T, authority *certs.Authority, starts ...start) *stage {
	t.Helper()
	s := &stage{
		t: t, servers: map[string]*pg.Server{}, cables: map[string]*cable{}, source: pgpooler.NewSource(),
		names: postgres.Names{UID: "0c4a9a3e-5a35-4d5c-9a5f-1f0c0a6b8f11"},
	}
	for i, start := range starts {
		server := start(pg.Settings{
			"wal_level": "logical", "max_worker_processes": "24", "max_logical_replication_workers": "16", "max_connections": "150",
		})
		server.Instance = fmt.Sprintf("orders-%d-%d", server.Major, i)
		if authority != nil {
			server.ServeTLS(authority.Issue(t, time.Now().Add(time.Hour), server.Host))
			server.TrustOthers(authority.PEM)
			server.SSLMode, server.CA, server.RootCert = "verify-full", authority.PEM, pg.RootCert
			s.poolerSettings = pg.Settings{"server_tls_sslmode": "verify-full", "server_tls_ca_file": "/mnt/servers.crt"}
		}
		s.cables[server.Instance] = s.wire(server.Host, server.Port)
		server.Port = s.cables[server.Instance].port()
		s.servers[server.Instance] = server
		s.prepareServer(server)
		if i == 0 {
			s.active = server.Instance
		}
	}
	blue, green := s.servers[s.active], s.other()
	must(t, fence.FenceStandby(t.Context(), green.Server, databases))
	for _, db := range databases {
		must(t, replication.CreatePublication(t.Context(), blue.Server, db, s.names))
		must(t, replication.CreateSlot(t.Context(), blue.Server, db, s.names, green.Instance))
		must(t, replication.CreateSubscription(t.Context(), green.Server, replication.SubscribeOptions{
			Publisher: blue.Server, Database: db, Names: s.names, // rows are the same
		}))
	}
	s.authority, s.client = pgpooler.Certificates(t)
	s.say(nil)
	for i := range poolers {
		s.poolers = append(s.poolers, s.newPooler(fmt.Sprintf("pooler-%d", i)))
	}
	s.awaitGuard()
	return s
}

func (s *stage) prepareServer(server *pg.Server) {
	password := appPassword
	if s.active != "" {
		password = s.servers[s.active].Query("", "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'")
	}
	server.Exec("", "CREATE ROLE app LOGIN PASSWORD '"+password+"'")
	for _, db := range databases {
		server.Exec("", `CREATE DATABASE "`+db+`"`)
		server.Exec(db, schema)
		s.ledgerSchema(server, db)
		must(s.t, replication.EnsureMarker(s.t.Context(), server.Server, db))
	}
	for range 2 {
		must(s.t, fence.EnsureRegister(s.t.Context(), server.Server, agentRole, agentPassword))
	}
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

func (s *stage) newPooler(name string) *pooler {
	config, err := protocol.ClientTLS(s.authority.Pair.Certificate, s.client, pgpooler.Proxy, pgpooler.Namespace)
	must(s.t, err)
	p := &pooler{stage: s, name: name, Pooler: pgpooler.Start(s.t, pgpooler.Options{
		Name: name, Authority: s.authority, Users: map[string]string{"app": appPassword}, Settings: s.poolerSettings,
		ServersCA: s.servers[s.active].CA, Role: agentRole, Password: agentPassword, Source: s.source,
	})}
	p.cable = newCable(s.t, p.Address)
	p.agent = protocol.NewClient(name, p.cable.address(), config)
	return p
}

// input is a switch to the other side.
func (s *stage) input() switchover.Input {
	s.switches++
	in := switchover.Input{
		ID: fmt.Sprintf("switch-%d", s.switches), From: s.servers[s.active].Server, To: s.other().Server,
		Databases: databases, Names: s.names, Scope: s.scope, Limits: s.limits, Who: "test",
	}
	for _, p := range s.poolers {
		in.Poolers = append(in.Poolers, p.agent)
	}
	in.Report = func(phase protocol.Phase) error {
		// a controller that slept writes nothing into PgProxy any more, which another one has ended the switch in
		if _, over := s.over.Load(in.ID); over {
			return nil
		}
		s.say(&agent.ActiveSwitch{ID: in.ID, Holding: phase != protocol.PhasePreparing, To: protocol.TargetOf(in.To, databases), Limits: in.Limits.OfHold()})
		return nil
	}
	return in
}

// switched records that traffic moved.
func (s *stage) switched(in switchover.Input) {
	s.active = in.To.Instance
	s.say(nil)
}

// awaitGuard returns when nothing stands in the way of a switch.
func (s *stage) awaitGuard() {
	s.t.Helper()
	var last string
	holds := func() bool {
		in := s.input()
		s.switches--
		obstacles, err := switchover.Guard(s.t.Context(), in)
		last = fmt.Sprint(obstacles, err)
		return err == nil && len(obstacles) == 0
	}
	if !within(30*time.Second, holds) {
		s.t.Fatalf("the guard does not open: %s", last)
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
	if !within(20*time.Second, ok) {
		t.Fatalf("not within 20 s: %s", what)
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
