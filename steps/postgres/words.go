package postgres

import (
	"fmt"
	"strings"
)

// firstDifference shows where two definitions part, shortly. Secrets aren't in definitions.
func firstDifference(want, have string) string {
	i := 0
	for i < min(len(want), len(have)) && want[i] == have[i] {
		i++
	}
	start := max(0, i-20)
	for start > 0 && want[start-1] != ' ' && want[start-1] != '\n' && i-start < 60 {
		start--
	}
	return fmt.Sprintf("%q, not %q", excerpt(want[start:]), excerpt(have[min(start, len(have)):]))
}

func excerpt(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
