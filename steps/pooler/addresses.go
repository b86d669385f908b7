package pooler

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
)

// Addresses resolves the names of instances for proxies that take addresses only. It remembers what it found, so that a
// switch waits for no DNS, and stays with an address for as long as the name has it. Refresh it before a switch: the side that
// doesn't serve may have moved long ago. Safe for concurrent use.
type Addresses struct {
	// Lookup is net.DefaultResolver's, unless a test has its own.
	Lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	mu    sync.Mutex
	known map[string]netip.Addr
}

// Of host: an address is itself, and a name is looked up unless it is known.
func (a *Addresses) Of(ctx context.Context, host string) (netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.Unmap(), nil
	}
	a.mu.Lock()
	address, known := a.known[host]
	a.mu.Unlock()
	if known {
		return address, nil
	}
	_, err := a.Refresh(ctx, host)
	if err != nil {
		return netip.Addr{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known[host], nil
}

// At is the address and port of a target that a proxy can be led to.
func (a *Addresses) At(ctx context.Context, t Target) (string, error) {
	if err := t.Check(); err != nil {
		return "", err
	}
	address, err := a.Of(ctx, t.Host)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(address.String(), strconv.Itoa(t.Port)), nil
}

// Moved is that of a Driver which has these addresses.
func (a *Addresses) Moved(ctx context.Context, t Target) (bool, error) { return a.Refresh(ctx, t.Host) }

// Refresh looks a name up again, and says whether its address changed. After an error what was known stays.
func (a *Addresses) Refresh(ctx context.Context, host string) (changed bool, err error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return false, nil
	}
	lookup := a.Lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupNetIP
	}
	found, err := lookup(ctx, "ip", host)
	if err != nil || len(found) == 0 {
		return false, fmt.Errorf("resolve %q: %w", host, err)
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	slices.SortFunc(found, netip.Addr.Compare)
	a.mu.Lock()
	defer a.mu.Unlock()
	left, known := a.known[host]
	if known && slices.Contains(found, left) {
		return false, nil
	}
	if a.known == nil {
		a.known = map[string]netip.Addr{}
	}
	a.known[host] = found[0]
	return known, nil
}
