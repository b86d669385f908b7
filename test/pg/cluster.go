package pg

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// cluster is a directory with a freshly initialized data directory of a major version, made
// once and then copied for every server.
func cluster(t testing.TB, root string, major int) string {
	t.Helper()
	cache := Cache(t, "pgtest")
	data := filepath.Join(cache, fmt.Sprintf("initdb-%d", major))
	unlock := lock(t, data+".lock")
	defer unlock()
	if _, err := os.Stat(filepath.Join(data, "PG_VERSION")); err == nil {
		return data
	}
	work := data + ".new"
	if err := os.RemoveAll(work); err != nil {
		t.Fatal(err)
	}
	if err := private(work); err != nil {
		t.Fatal(err)
	}
	script := `printf %s "$PGPASSWORD" >/tmp/password
exec initdb -D /mnt/data -U postgres -A scram-sha-256 --pwfile=/tmp/password -E UTF8 --locale=C.UTF-8 --no-sync`
	cmd := command(context.Background(), root, major, work, "KILL", []string{"PGPASSWORD=" + Password}, "/bin/sh", "-ec", script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("initdb of PostgreSQL %d: %v\n%s", major, err, out)
	}
	if err := os.Rename(filepath.Join(work, "data"), data); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(work); err != nil {
		t.Fatal(err)
	}
	return data
}

// lock holds path against other test processes until the returned function runs.
func lock(t testing.TB, path string) func() {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() { _ = f.Close() }
}
