package postgres

import (
	"time"

	"golang.org/x/sys/unix"
)

// giveUpAfter ends a connection whose other end confirms nothing for this time (tcp(7), TCP_USER_TIMEOUT).
func giveUpAfter(fd int, silence time.Duration) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
}
