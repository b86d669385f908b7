package postgres

import (
	"net"
	"syscall"
	"time"
)

// silence is how long a server's host may not confirm what it was sent. A query may run for as long
// as it needs; but when the network is cut in the middle of one, the kernel would send it again for a quarter of an
// hour, and whoever asked would look at nothing else.
const silence = 20 * time.Second

// dialer of every session with a server.
var dialer = &net.Dialer{
	// also for who waits for an answer: nothing that was sent is unconfirmed then
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3},
	Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) { failed = giveUpAfter(int(fd), silence) }); err != nil {
			return err
		}
		return failed
	},
}
