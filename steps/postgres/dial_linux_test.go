package postgres

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

func TestASessionEndsWhenItsNetworkIsCut(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	config, err := Server{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port}.config("postgres")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := config.DialFunc(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[int]int{unix.TCP_USER_TIMEOUT: 20_000, unix.TCP_KEEPIDLE: 5, unix.TCP_KEEPINTVL: 5, unix.TCP_KEEPCNT: 3} {
		var got int
		if err := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, option) }); err != nil || got != want {
			t.Errorf("option %d is %d, want %d (%v)", option, got, want, err)
		}
	}
}
