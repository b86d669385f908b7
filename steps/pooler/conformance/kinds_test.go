package conformance

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/pooler/haproxy"
	"github.com/gitover/gitover/steps/pooler/nginx"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
	"github.com/gitover/gitover/test/pgpooler"
)

// kind of proxy.
type kind struct {
	name     string
	sessions switchover.Sessions
	start    func(*stage) *proxy
	// control reaches the proxy from a controller's process.
	control func(order) (switchover.Pooler, error)
	// settles: clients go on without a controller that died at this point.
	settles func(switchover.Point) bool
	// alone: no agent stands beside it.
	alone bool
	// seamless: no transaction fails, and no session is closed, in a switch that nothing disturbs.
	seamless bool
	// holds new connections: none is refused in a switch that nothing disturbs.
	holds bool
}

var kinds = []kind{
	{name: "PgBouncer", start: pgbouncer("transaction"), control: byAgent, settles: always, seamless: true, holds: true},
	{name: "PgBouncer in session mode", sessions: switchover.Ended, start: pgbouncer("session"), control: byAgent, settles: always, holds: true},
	{name: "Service", sessions: switchover.Ended, start: startService, control: byService, settles: beforeDecision, alone: true},
	{name: "NGINX", sessions: switchover.Frozen, start: startNginx, control: byAgent, settles: always},
	{name: "HAProxy", sessions: switchover.Ended, start: startHAProxy, control: byAgent, settles: always, holds: true},
}

func byAgent(o order) (switchover.Pooler, error) { return reach(o.Authority, o.Client, o.Address) }

func always(switchover.Point) bool { return true }

// forEachKind tells a story of each driver.
func forEachKind(t *testing.T, story func(*testing.T, kind)) {
	t.Helper()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { story(t, k) })
	}
}

// proxy that stands between clients and servers.
type proxy struct {
	// port for clients.
	port int
	// pooler is the controller's view.
	pooler switchover.Pooler
	// agent is nil if the driver needs none. address is where it takes requests.
	agent   *pgpooler.Agent
	address string
	// kill and run are of the proxy's process.
	kill, run func()
	log       func() string
}

func (s *stage) options() pgpooler.Options {
	return pgpooler.Options{
		Name: "pooler-0", Authority: s.authority, Users: map[string]string{"app": appPassword},
		Role: pg.AgentRole, Password: pg.AgentPassword, Source: s.source,
	}
}

// reach an agent as the controller does.
func reach(authority []byte, client protocol.KeyPair, address string) (*protocol.Client, error) {
	config, err := protocol.ClientTLS(authority, client, pgpooler.Proxy, pgpooler.Namespace)
	if err != nil {
		return nil, err
	}
	return protocol.NewClient("pooler-0", address, config), nil
}

func (s *stage) beside(a *pgpooler.Agent, port int) *proxy {
	client, err := reach(s.authority.Pair.Certificate, s.client, a.Address)
	must(s.t, err)
	return &proxy{port: port, pooler: client, agent: a, address: a.Address}
}

func pgbouncer(mode string) func(*stage) *proxy {
	return func(s *stage) *proxy {
		o := s.options()
		o.Settings = pg.Settings{"pool_mode": mode, "server_round_robin": "0"}
		p := pgpooler.Start(s.t, o)
		x := s.beside(p.Agent, p.Admin.Port)
		x.kill, x.run, x.log = p.Kill, p.Run, p.Log
		return x
	}
}

// haproxyConfig is that of examples/haproxy, with a port of its own.
const haproxyConfig = `global
    stats socket /mnt/haproxy.sock mode 600 level admin
    maxconn 1000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend postgres
    bind 127.0.0.1:%d
    default_backend gitover
frontend reports
    bind 127.0.0.1:%d
    maxconn 70
    default_backend gitover
`

func startHAProxy(s *stage) *proxy {
	port := pg.ReservePort(s.t)
	p := pg.NewProxy(s.t, "haproxy", map[string]string{"haproxy.cfg": fmt.Sprintf(haproxyConfig, port, pg.ReservePort(s.t))},
		"/usr/sbin/haproxy", "-W", "-db", "-f", "/mnt/haproxy.cfg", "-f", "/mnt/target.cfg")
	file := filepath.Join(p.Dir, "target.cfg")
	driver := &haproxy.Driver{Socket: haproxy.Socket(filepath.Join(p.Dir, "haproxy.sock")), Frontends: []string{"postgres", "reports"}, LimitsFile: file + ".limits"}
	driver.Lookup = s.lookup
	a := pgpooler.Beside(s.t, s.options(), file, driver)
	return s.running(p, a, port, driver)
}

// running proxy of an image; run returns once it can be controlled.
func (s *stage) running(p *pg.Proxy, a *pgpooler.Agent, port int, driver pooler.Driver) *proxy {
	x := s.beside(a, port)
	x.kill, x.log = p.Kill, p.Log
	x.run = func() {
		p.Run()
		if !within(5*time.Second, func() bool { _, err := driver.Connect(s.t.Context()); return err == nil }) {
			s.t.Errorf("the proxy does not start\n%s", p.Log())
		}
	}
	x.run()
	return x
}

// nginxConfig is that of examples/nginx, with ports of its own.
const nginxConfig = `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
worker_processes 2;
pid /mnt/nginx.pid;
error_log stderr warn;
events { worker_connections 1000; }
stream {
    include /mnt/target.conf;
    server {
        listen 127.0.0.1:%d;
        proxy_pass gitover;
        proxy_timeout 1h;
    }
}
`

func startNginx(s *stage) *proxy {
	port := pg.ReservePort(s.t)
	p := pg.NewProxy(s.t, "nginx", map[string]string{"nginx.conf": fmt.Sprintf(nginxConfig, port)},
		"/usr/sbin/nginx", "-c", "/mnt/nginx.conf", "-e", "stderr", "-g", "daemon off;")
	file := filepath.Join(p.Dir, "target.conf")
	driver := &nginx.Driver{TargetFile: file, PIDFile: filepath.Join(p.Dir, "nginx.pid"), Status: pg.ReserveAddress(s.t)}
	driver.Lookup = s.lookup
	a := pgpooler.Beside(s.t, s.options(), file, driver)
	return s.running(p, a, port, driver)
}
