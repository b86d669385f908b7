package postgres

import (
	"fmt"
	"strings"
)

// FirstDifference shows briefly where two definitions begin to differ. Definitions hold no secrets.
func FirstDifference(want, have string) string {
	i := 0
	for i < min(len(want), len(have)) && want[i] == have[i] {
		i++
	}
	start := max(0, i-20)
	for start > 0 && want[start-1] != ' ' && want[start-1] != '\n' && i-start < 60 {
		start--
	}
	return fmt.Sprintf("%q, not %q", Excerpt(want[start:]), Excerpt(have[min(start, len(have)):]))
}

// Excerpt of a text, short enough for a message.
func Excerpt(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// HumanBytes is a size as people read it, in powers of 1024.
func HumanBytes(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, suffix := float64(n), ""
	for _, s := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		value /= unit
		if suffix = s; value < unit {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", value, suffix)
}
