// Package pgpooler runs the product's agent beside a real PgBouncer or another proxy, and a PgProxy in memory that tells it what is active,
// for tests that switch traffic without Kubernetes.
package pgpooler

import (
	"os"
	"testing"

	"github.com/gitover/gitover/steps/agent"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler/pgbouncer"
	"github.com/gitover/gitover/test/pg"
)

// Proxy and Namespace name the PgProxy that certificates are for.
const (
	Proxy     = "orders"
	Namespace = "shop"
)

// Certificates of the PgProxy: the authority that agents trust, and the controller's pair.
func Certificates(t testing.TB) (*protocol.Authority, protocol.KeyPair) {
	t.Helper()
	authority, err := protocol.NewAuthority(Proxy, Namespace)
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.IssueClient()
	if err != nil {
		t.Fatal(err)
	}
	return authority, client
}

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
	*Agent
}

// Start runs an agent and, once it has written the target, its pooler, until the test ends.
func Start(t testing.TB, o Options) *Pooler {
	t.Helper()
	bouncer := pg.NewPgBouncer(t, o.Users, o.Settings)
	if err := os.Remove(bouncer.TargetFile); err != nil {
		t.Fatal(err)
	}
	p := &Pooler{PgBouncer: bouncer, Agent: Beside(t, o, bouncer.TargetFile, pgbouncer.Driver{Admin: bouncer.Admin})}
	p.Run()
	return p
}
