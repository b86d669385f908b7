package postgres

import (
	"net"
	"syscall"
	"time"
)

// silence is how long a server's host may fail to confirm packets. A query may run for as long as it needs; but if
// the network is cut during a query, the kernel would retransmit for a quarter of an hour, and the caller would be
// blocked.
const silence = 20 * time.Second

// dialer of every session with a server.
var dialer = &net.Dialer{
	// also while waiting for an answer: no packet is unconfirmed then
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3},
	Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) { failed = giveUpAfter(int(fd), silence) }); err != nil {
			return err
		}
		return failed
	},
}
