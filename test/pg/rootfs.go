package pg

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// uid that servers and client programs run as; no account needs to exist for it.
const uid = 26543

// Rootfs is the root file system that has PostgreSQL of the given major version. It skips
// the test, or fails it under GITOVER_INTEGRATION=1, where there is none. With -short, tests
// of servers are always skipped.
func Rootfs(t testing.TB, major int) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real servers")
	}
	if os.Geteuid() != 0 {
		missing(t, "real servers need root (chroot and mount namespaces)")
	}
	pattern := os.Getenv("GITOVER_POSTGRES_ROOTFS")
	if pattern == "" {
		pattern = filepath.Join(repository(t), ".cache", "images", "postgres-%d", "rootfs")
	}
	root := fmt.Sprintf(pattern, major)
	if _, err := os.Stat(filepath.Join(root, binaries(major), "postgres")); err != nil {
		missing(t, fmt.Sprintf("no PostgreSQL %d in %s: run `go run ./test/cluster/cmd/stage images postgres-%d`", major, root, major))
	}
	return root
}

func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("GITOVER_INTEGRATION") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// binaries is where Debian puts the programs of a major version.
func binaries(major int) string { return fmt.Sprintf("/usr/lib/postgresql/%d/bin", major) }

// Cache is a directory of the repository's cache; it is made if it isn't there.
func Cache(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join(repository(t), ".cache", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// repository is the directory of the nearest go.mod above the working directory.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		t.Fatal("not below a go.mod")
	}
}
