package pg

import (
	"net"
	"strconv"
	"syscall"
	"testing"
)

// ReservePort is a port of 127.0.0.1 that only a server that this test starts gets, as often as
// it starts it. The port is bound without listening: the kernel then gives it neither to a
// connection nor to another test that looks for one, but lets a server that sets SO_REUSEADDR
// listen on it, as PostgreSQL, PgBouncer and Go's net do. A port that was only tried and closed
// again may be an outgoing connection's before the server is there.
func ReservePort(t testing.TB) int {
	t.Helper()
	fail := func(what string, err error) {
		if err != nil {
			t.Fatalf("reserve a port: %s: %v", what, err)
		}
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	fail("socket", err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	fail("SO_REUSEADDR", syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	fail("bind", syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	name, err := syscall.Getsockname(fd)
	fail("getsockname", err)
	return name.(*syscall.SockaddrInet4).Port
}

// ReserveAddress is a reserved port with its host.
func ReserveAddress(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(ReservePort(t)))
}
