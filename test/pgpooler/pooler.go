// Package pgpooler runs the product's agent beside a real PgBouncer, and a PgProxy in memory that tells it what is active,
// for tests that switch traffic without Kubernetes.
package pgpooler

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/agent"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/test/pg"
)

// Proxy and Namespace name the PgProxy that certificates are for.
const (
	Proxy     = "orders"
	Namespace = "shop"
)

// Options of a pooler.
type Options struct {
	Name string
	// Authority issues the agent's certificate.
	Authority *protocol.Authority
	// Users of the pooler, with their passwords, and settings beside those of the examples.
	Users    map[string]string
	Settings pg.Settings
	// ServersCA is what the pooler verifies servers by; empty where they speak no TLS.
	ServersCA []byte
	// Role and Password by which the agent reaches the register.
	Role, Password string
	// Source tells what is active.
	Source agent.Source
}

// Pooler is a PgBouncer with its agent.
type Pooler struct {
	*pg.PgBouncer
	// Address takes what a controller says to the agent, Probes the kubelet's questions.
	Address, Probes string

	t       testing.TB
	options Options
	stop    func()
}

// Start runs an agent and, once it has written the target, its pooler, until the test ends.
func Start(t testing.TB, o Options) *Pooler {
	t.Helper()
	p := &Pooler{
		PgBouncer: pg.NewPgBouncer(t, o.Users, o.Settings),
		Address:   pg.ReserveAddress(t), Probes: pg.ReserveAddress(t), t: t, options: o,
	}
	pair, err := o.Authority.IssueServer(Proxy, Namespace)
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{
		"ca.crt": o.Authority.Pair.Certificate, "tls.crt": pair.Certificate, "tls.key": pair.Key,
		"user": []byte(o.Role + "\n"), "password": []byte(o.Password + "\n"),
	} {
		p.write(file, content, 0o600)
	}
	p.write("servers.crt", o.ServersCA, 0o644)
	if err := os.Remove(p.TargetFile); err != nil {
		t.Fatal(err)
	}
	p.StartAgent()
	t.Cleanup(p.StopAgent)
	p.awaitTarget()
	p.Run()
	return p
}

func (p *Pooler) write(file string, content []byte, mode os.FileMode) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.Dir, file), content, mode); err != nil {
		p.t.Fatal(err)
	}
}

// awaitTarget returns when the agent has written where the pooler leads.
func (p *Pooler) awaitTarget() {
	p.t.Helper()
	tick, end := time.NewTicker(5*time.Millisecond), time.NewTimer(20*time.Second)
	defer tick.Stop()
	defer end.Stop()
	for {
		if _, err := os.Stat(p.TargetFile); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end.C:
			p.t.Fatal("not within 20 s: the agent writes the target")
		}
	}
}

// StartAgent runs the agent, or runs it again after StopAgent.
func (p *Pooler) StartAgent() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	file := func(name string) string { return filepath.Join(p.Dir, name) }
	o := agent.Options{
		Name: p.options.Name, TargetFile: p.TargetFile, StateFile: file("agent.json"), Admin: p.Admin,
		Listen: p.Address, ProbeListen: p.Probes,
		CertificateAuthority: file("ca.crt"), Certificate: file("tls.crt"), Key: file("tls.key"),
		RegisterUserFile: file("user"), RegisterPasswordFile: file("password"), Source: p.options.Source,
		SourceWait: time.Second,
		Log:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	go func() { ended <- agent.Run(ctx, o) }()
	p.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			p.t.Errorf("agent of %s: %v", p.options.Name, err)
		}
	}
}

// StopAgent ends the agent; the pooler goes on.
func (p *Pooler) StopAgent() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}
