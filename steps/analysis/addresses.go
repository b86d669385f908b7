package analysis

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// Addresses that checks may reach by HTTP. Who may write a PgUpgrade could otherwise have the controller ask what only the
// controller's own pod or node reaches, such as a cloud's metadata. The zero value allows all but those.
type Addresses struct{ allowed []netip.Prefix }

// AddressesOf reads a list of networks in CIDR notation, to which checks are limited; none: the default. An address that the
// default refuses may be allowed in this way, too.
func AddressesOf(networks []string) (Addresses, error) {
	var a Addresses
	for _, text := range networks {
		prefix, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			return a, fmt.Errorf("%q is no network such as 10.0.0.0/8: %w", text, err)
		}
		a.allowed = append(a.allowed, prefix.Masked())
	}
	return a, nil
}

// refusedAddressError: the address is not one that checks may reach.
type refusedAddressError struct{ address netip.Addr }

func (e *refusedAddressError) Error() string {
	return fmt.Sprintf("checks may not reach %s; see --analysis-addresses of the controller", e.address)
}

// metadata services of clouds that have an address outside of what is refused anyway
var metadata = []netip.Addr{netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("168.63.129.16")}

// permits says whether a check may connect to an address.
func (a Addresses) permits(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, network := range a.allowed {
		if network.Contains(ip) {
			return true
		}
	}
	if len(a.allowed) > 0 {
		return false
	}
	if inside, ok := embedded(ip); ok && refused(inside) {
		return false
	}
	return !refused(ip)
}

// translated networks of IPv6, and the byte where each has the address in IPv4 that it leads to: IPv4-compatible, NAT64, NAT64 of
// one's own, 6to4.
var translated = map[netip.Prefix]int{
	netip.MustParsePrefix("::/96"): 12, netip.MustParsePrefix("64:ff9b::/96"): 12, netip.MustParsePrefix("64:ff9b:1::/48"): 12, netip.MustParsePrefix("2002::/16"): 2,
}

// embedded is the address in IPv4 that one in IPv6 leads to, if it does.
func embedded(ip netip.Addr) (netip.Addr, bool) {
	for network, at := range translated {
		if network.Contains(ip) {
			b := ip.As16()
			return netip.AddrFrom4([4]byte(b[at : at+4])), true
		}
	}
	return netip.Addr{}, false
}

// refused by default.
func refused(ip netip.Addr) bool {
	if slices.Contains(metadata, ip) {
		return true
	}
	return ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// control is for a net.Dialer: it judges the address that a name was resolved to, which is the one that is connected to.
func (a Addresses) control(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return err
	}
	if !a.permits(ip) {
		return &refusedAddressError{ip}
	}
	return nil
}
