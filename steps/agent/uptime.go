package agent

import (
	"time"

	"golang.org/x/sys/unix"
)

// uptime is a reading of the machine's monotonic clock: it can't be set, and unlike the
// reading inside a time.Time it is valid for the next process in the same pod.
type uptime time.Duration

func now() uptime {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("the machine has no monotonic clock: " + err.Error())
	}
	return uptime(t.Nano())
}

// until is the time left until d after u; below zero when that is over.
func (u uptime) until(d time.Duration) time.Duration { return time.Duration(u-now()) + d }

// sinceThisBoot rejects a reading from before the machine's last start.
func (u uptime) sinceThisBoot() uptime { return min(u, now()) }
