package pg

import "os"

// Full says that the long form of a story is wanted (GITOVER_FULL=1, make harm).
var Full = os.Getenv("GITOVER_FULL") == "1"

// Pairs of versions that a story is told for: the first alone, unless its long form is wanted.
func Pairs(pairs ...[2]int) [][2]int {
	if Full {
		return pairs
	}
	return pairs[:1]
}
