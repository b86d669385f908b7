package gitops

import (
	"os"
	"strconv"
	"testing"
)

// TestMain has all stories begin with one commit, so that every search comes to the edge of its clone. GITOVER_DEPTH sets another
// number.
func TestMain(m *testing.M) {
	firstDepth = 1
	if n, err := strconv.Atoi(os.Getenv("GITOVER_DEPTH")); err == nil {
		firstDepth = n
	}
	os.Exit(m.Run())
}
