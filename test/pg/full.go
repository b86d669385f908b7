package pg

import (
	"os"
	"strconv"
	"testing"
)

// Full says that the long form of a story is wanted (GITOVER_FULL=1, make chaos).
var Full = os.Getenv("GITOVER_FULL") == "1"

// Long skips a story that is told in its long form only.
func Long(t testing.TB) {
	t.Helper()
	if !Full {
		t.Skip("a long story: GITOVER_FULL=1, or make chaos")
	}
}

// Number of something that the environment may set for a story, or otherwise.
func Number(variable string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return otherwise
}

// Pairs of versions that a story is told for: the first alone, unless its long form is wanted.
func Pairs(pairs ...[2]int) [][2]int {
	if Full {
		return pairs
	}
	return pairs[:1]
}

// Every nth of a story's cases from the first'th on, unless its long form is wanted.
func Every[T any](nth, first int, cases []T) []T {
	if Full {
		return cases
	}
	var some []T
	for i := first; i < len(cases); i += nth {
		some = append(some, cases[i])
	}
	return some
}
