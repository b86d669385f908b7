package conformance

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/steps/agent"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/test/pg"
	"github.com/gitover/gitover/test/pgpooler"
)

// dns is what names lead to; one that is missing can't be resolved.
type dns struct {
	mu    sync.Mutex
	names map[string]string
}

func (d *dns) set(name, address string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.names[name] = address
}

func (d *dns) lookup(_ context.Context, _, host string) ([]netip.Addr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	address, err := netip.ParseAddr(d.names[host])
	if err != nil {
		return nil, errors.New("no such host")
	}
	return []netip.Addr{address}, nil
}

// The side that doesn't serve gets another address in the soak, and its former one is another server's. Whoever leads clients
// back leads them to the new address at once; if the name can't be resolved, no switch begins.
func TestASideThatMovedInTheSoakIsFoundByARollback(t *testing.T) {
	for _, k := range kinds {
		if k.name != "HAProxy" && k.name != "NGINX" {
			continue // PgBouncer resolves names by itself; for a Service see below
		}
		t.Run(k.name, func(t *testing.T) {
			found := &dns{names: map[string]string{"blue": "127.0.0.3", "green": "127.0.0.2"}}
			port := pg.ReservePort(t)
			at := func(address string) string { return net.JoinHostPort(address, strconv.Itoa(port)) }
			names(t, at("127.0.0.3"), "blue in the past")
			names(t, at("127.0.0.2"), "green")
			names(t, at("127.0.0.4"), "blue")
			blue, green := protocol.Target{Instance: "orders-15", Host: "blue", Port: port}, protocol.Target{Instance: "orders-17", Host: "green", Port: port}

			s := &stage{t: t, kind: k, source: pgpooler.NewSource(), lookup: found.lookup}
			s.authority, s.client = pgpooler.Certificates(t)
			s.source.Set(agent.Active{Target: blue})
			s.proxy = k.start(s)
			led := func(want string) {
				t.Helper()
				var got string // a former worker of nginx may take one more connection
				if !within(time.Second, func() bool { got = asks(s.proxy.port); return got == want }) {
					t.Fatalf("clients are led to %q, not to %q\n%s", got, want, s.proxy.log())
				}
			}
			if !within(10*time.Second, func() bool { return asks(s.proxy.port) == "blue in the past" }) {
				t.Fatal("it doesn't start")
			}
			s.lead("cutover", blue, green)
			led("green")
			found.set("blue", "")
			if err := s.proxy.pooler.Stage(t.Context(), protocol.StageRequest{SwitchID: "unknown", From: green, To: blue}); err == nil {
				t.Error("a switch begins to a name that can't be resolved")
			}
			found.set("blue", "127.0.0.4")
			s.lead("rollback", green, blue)
			led("blue")

			// without a switch: PgProxy says another instance
			found.set("green", "127.0.0.3")
			s.source.Set(agent.Active{Target: green})
			if !within(10*time.Second, func() bool { return asks(s.proxy.port) != "blue" }) {
				t.Fatal("it doesn't follow PgProxy")
			}
			led("blue in the past") // whose address is green's now
		})
	}
}

// lead clients from one target to another, as a switch does.
func (s *stage) lead(id string, from, to protocol.Target) {
	s.t.Helper()
	ctx, p := s.t.Context(), s.proxy.pooler
	if !within(10*time.Second, func() bool {
		state, err := p.State(ctx)
		return err == nil && state.Verified && state.Target.Host == from.Host
	}) {
		s.t.Fatalf("the proxy does not lead to %s\n%s", from.Host, s.proxy.log())
	}
	s.source.Set(agent.Active{Target: from, Switch: &agent.ActiveSwitch{ID: id, To: to}})
	must(s.t, p.Stage(ctx, protocol.StageRequest{SwitchID: id, From: from, To: to}))
	must(s.t, p.Hold(ctx, protocol.HoldRequest{SwitchID: id, LimitMilliseconds: 10000, MarginMilliseconds: 2000, Attended: true}, func() {}))
	must(s.t, p.Flip(ctx, id))
	must(s.t, p.Resume(ctx, id))
	s.source.Set(agent.Active{Target: to})
}

// The same of a Service that leads to servers elsewhere.
func TestAServiceFindsASideThatMovedInTheSoak(t *testing.T) {
	admin, access := plain(t, nil)
	leads, err := access.leads()
	must(t, err)
	found := &dns{names: map[string]string{"blue": "10.1.0.3", "green": "10.1.0.2"}}
	leads.Addresses = &pooler.Addresses{Lookup: found.lookup}
	blue, green := protocol.Target{Instance: "orders-15", Host: "blue", Port: 5432}, protocol.Target{Instance: "orders-17", Host: "green", Port: 5432}
	must(t, leads.Follow(t.Context(), blue))
	must(t, leads.Follow(t.Context(), green))
	found.set("blue", "")
	request := protocol.StageRequest{SwitchID: "rollback", From: green, To: blue}
	if err := leads.Stage(t.Context(), request); err == nil {
		t.Error("a switch begins to a name that can't be resolved")
	}
	found.set("blue", "10.1.0.4")
	must(t, leads.Stage(t.Context(), request))
	must(t, leads.Resume(t.Context(), "rollback"))
	var slice discoveryv1.EndpointSlice
	must(t, admin.Get(t.Context(), client.ObjectKey{Namespace: access.Namespace, Name: pgpooler.Proxy + "-gitover"}, &slice))
	if got := slice.Endpoints[0].Addresses[0]; got != "10.1.0.4" {
		t.Errorf("it leads to %s", got)
	}
}
