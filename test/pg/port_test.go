package pg_test

import (
	"net"
	"testing"

	"github.com/gitover/gitover/test/pg"
)

// A server under test stops and starts again while other tests look for ports and connections
// come and go.
func TestAReservedPortIsItsServersAndNobodyElses(t *testing.T) {
	address := pg.ReserveAddress(t)
	for range 2 {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
	server, err := net.Listen("tcp", pg.ReserveAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	from, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := (&net.Dialer{LocalAddr: from}).Dial("tcp", server.Addr().String()); err == nil {
		conn.Close()
		t.Errorf("a connection went out from %s", address)
	}
	seen := map[int]bool{from.Port: true}
	for range 2000 {
		port := pg.ReservePort(t)
		if seen[port] {
			t.Fatalf("port %d was given out twice", port)
		}
		seen[port] = true
	}
}
