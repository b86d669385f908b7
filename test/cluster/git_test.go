package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestProtectionRefusesWhatItSaysAndMergesPassIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("repositories are handed over to another user, which takes root")
	}
	g := Git{dir: t.TempDir()}
	ctx := t.Context()
	if err := g.CreateRepository(ctx, "fleet"); err != nil {
		t.Fatal(err)
	}
	bare, clone := filepath.Join(g.dir, "fleet.git"), filepath.Join(t.TempDir(), "clone")
	settings := filepath.Join(t.TempDir(), "gitconfig")
	if err := os.WriteFile(settings, []byte("[safe]\n\tdirectory = *\n[user]\n\tname = t\n\temail = t@t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) error {
		cmd := exec.Command("git", append([]string{"-C", clone}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+settings)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Logf("git %v: %v: %s", args, err, out)
		}
		return err
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(clone, 0o755))
	must(git("clone", "-q", bare, "."))
	must(git("commit", "-q", "--allow-empty", "-m", "direct"))
	must(g.Protect("no-direct-push"))
	if git("push", "-q", "origin", "main") == nil {
		t.Error("main took a direct push")
	}
	must(git("checkout", "-q", "-b", "topic"))
	must(os.WriteFile(filepath.Join(clone, "file"), []byte("x"), 0o644))
	must(git("add", "-A"))
	must(git("commit", "-q", "-m", "a file"))
	must(git("push", "-q", "origin", "topic"))
	merged, err := g.MergeBranch(ctx, "topic", "Merge the topic")
	must(err)
	if tip, err := g.run(ctx, "fleet", "rev-parse", "main"); err != nil || tip != merged {
		t.Errorf("main is at %s, not at the merge (%v)", tip, err)
	}
	must(g.Protect("no-force"))
	if git("push", "-q", "-f", "origin", "HEAD~1:main") == nil {
		t.Error("main took a forced push")
	}
	must(g.Protect())
	must(git("fetch", "-q"))
	must(git("push", "-q", "-f", "origin", "HEAD~1:main"))
}

func TestURLsAndKnownHostsNameTheServerBothWays(t *testing.T) {
	g := Git{Username: "u", Password: "p", Address: "10.0.0.9", HostKey: "ssh-ed25519 AAAA"}
	if got := g.HostURL(); got != "http://u:p@10.0.0.9/fleet.git" {
		t.Error(got)
	}
	if hosts := g.KnownHosts(); !strings.Contains(hosts, GitHost+" ssh-ed25519") || !strings.Contains(hosts, "10.0.0.9 ssh-ed25519") {
		t.Error(hosts)
	}
}
