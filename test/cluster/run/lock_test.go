package run

import (
	"path/filepath"
	"testing"
)

func TestALockOnACleanCheckoutMakesItsDirectory(t *testing.T) {
	unlock, err := Lock(t.Context(), filepath.Join(t.TempDir(), "not", "there", "yet.lock"))
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
