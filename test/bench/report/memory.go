package report

import (
	"errors"
	"os"
	"strconv"
	"strings"
)

// WatchMemory of this process from here on: most gives the most that was resident since, in MiB. What earlier work needed
// doesn't count.
func WatchMemory() (most func() (float64, error), err error) {
	return mostMemory, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
}

func mostMemory() (float64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if kib, found := strings.CutPrefix(line, "VmHWM:"); found {
			n, err := strconv.Atoi(strings.Fields(kib)[0])
			return float64(n) / 1024, err
		}
	}
	return 0, errors.New("no VmHWM in /proc/self/status")
}
