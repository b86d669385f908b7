package pgpooler

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/agent"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/test/pg"
)

// Agent runs beside a proxy.
type Agent struct {
	// Address takes what a controller says to the agent, Probes the kubelet's questions.
	Address, Probes string

	t          testing.TB
	options    Options
	targetFile string
	driver     pooler.Driver
	stop       func()
}

// Beside runs an agent until the test ends, and returns once it has written the target: the proxy may start then.
func Beside(t testing.TB, o Options, targetFile string, driver pooler.Driver) *Agent {
	t.Helper()
	a := &Agent{Address: pg.ReserveAddress(t), Probes: pg.ReserveAddress(t), t: t, options: o, targetFile: targetFile, driver: driver}
	pair, err := o.Authority.IssueServer(Proxy, Namespace)
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{
		"ca.crt": o.Authority.Pair.Certificate, "tls.crt": pair.Certificate, "tls.key": pair.Key,
		"user": []byte(o.Role + "\n"), "password": []byte(o.Password + "\n"),
	} {
		a.write(file, content, 0o600)
	}
	a.write("servers.crt", o.ServersCA, 0o644)
	a.StartAgent()
	t.Cleanup(a.StopAgent)
	a.awaitTarget()
	return a
}

func (a *Agent) file(name string) string { return filepath.Join(filepath.Dir(a.targetFile), name) }

func (a *Agent) write(file string, content []byte, mode os.FileMode) {
	a.t.Helper()
	if err := os.WriteFile(a.file(file), content, mode); err != nil {
		a.t.Fatal(err)
	}
}

// awaitTarget returns when the agent has written where the pooler leads.
func (a *Agent) awaitTarget() {
	a.t.Helper()
	tick, end := time.NewTicker(5*time.Millisecond), time.NewTimer(20*time.Second)
	defer tick.Stop()
	defer end.Stop()
	for {
		if _, err := os.Stat(a.targetFile); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-end.C:
			a.t.Fatal("not within 20 s: the agent writes the target")
		}
	}
}

// StartAgent runs the agent, or runs it again after StopAgent.
func (a *Agent) StartAgent() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	o := agent.Options{
		Name: a.options.Name, TargetFile: a.targetFile, StateFile: a.file("agent.json"), Driver: a.driver,
		Listen: a.Address, ProbeListen: a.Probes,
		CertificateAuthority: a.file("ca.crt"), Certificate: a.file("tls.crt"), Key: a.file("tls.key"),
		RegisterUserFile: a.file("user"), RegisterPasswordFile: a.file("password"), Source: a.options.Source,
		SourceWait: time.Second,
		Log:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	go func() { ended <- agent.Run(ctx, o) }()
	a.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			a.t.Errorf("agent of %s: %v", a.options.Name, err)
		}
	}
}

// StopAgent ends the agent; the pooler goes on.
func (a *Agent) StopAgent() {
	if a.stop != nil {
		a.stop()
		a.stop = nil
	}
}
