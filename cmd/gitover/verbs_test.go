package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fleet is a person's checkout of a fleet repository, and the working directory.
type fleet struct {
	*testing.T
	root string
}

const upgradeFile = `apiVersion: gitover.dev/v1alpha1
kind: PgUpgrade
metadata:
  name: orders
spec:
  # The line that a pull request changes.
  version: "15"
  proxyRef:
    name: orders
  cutover:
    approval: Manual # by Ada
`

const proxyFile = "kind: PgProxy\nmetadata:\n  name: orders\nspec:\n  target: orders-15\n"

func aFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t, t.TempDir()}
	for _, variable := range []string{"GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"} {
		t.Setenv(variable, "Ada")
	}
	for _, variable := range []string{"GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"} {
		t.Setenv(variable, "ada@example.org")
	}
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	f.git("init", "--quiet", "--initial-branch=main")
	f.commit("Found the fleet", map[string]string{"apps/orders/upgrade.yaml": upgradeFile, "apps/orders/proxy.yaml": proxyFile})
	t.Chdir(f.root)
	return f
}

func (f *fleet) git(args ...string) string {
	f.Helper()
	command := exec.CommandContext(f.Context(), "git", args...)
	command.Dir = f.root
	out, err := command.CombinedOutput()
	if err != nil {
		f.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (f *fleet) commit(message string, files map[string]string) {
	f.Helper()
	for name, content := range files {
		path := filepath.Join(f.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			f.Fatal(err)
		}
	}
	f.git("add", "-A")
	f.git("commit", "--quiet", "-m", message)
}

// types runs a command with what a person types, and returns what it prints.
func (f *fleet) types(answer string, args ...string) (out, asked string, err error) {
	command := root()
	command.SetArgs(args)
	command.SetIn(strings.NewReader(answer))
	var stdout, stderr bytes.Buffer
	command.SetOut(&stdout)
	command.SetErr(&stderr)
	err = command.ExecuteContext(f.Context())
	return stdout.String(), stderr.String(), err
}

func (f *fleet) committed(answer string, args ...string) string {
	f.Helper()
	out, asked, err := f.types(answer, args...)
	if err != nil || !strings.HasPrefix(out, "committed ") {
		f.Fatalf("%v: %q %q %v", args, out, asked, err)
	}
	if left := f.git("status", "--porcelain"); left != "" {
		f.Errorf("%v: not committed: %s", args, left)
	}
	return f.git("show", "--format=%an %s", "--unified=0")
}

func TestEachVerbCommitsItsLineAndKeepsTheRest(t *testing.T) {
	for _, c := range []struct {
		args    []string
		subject string
		lines   []string
	}{
		{[]string{"upgrade", "--to", "17"}, "Ada Upgrade orders to PostgreSQL 17", []string{`-  version: "15"`, `+  version: "17"`}},
		{[]string{"approve", "orders"}, "Ada Approve the cutover of orders to PostgreSQL 15", []string{`+    approvedVersion: "15"`}},
		{[]string{"approve", "--plan", "123456789012"}, "Ada Approve the cutover of orders to PostgreSQL 15", []string{`+    approvedVersion: "15"`, `+    approvedPlan: "123456789012"`}},
		{[]string{"finalize"}, "Ada Keep PostgreSQL 15 for orders", []string{"+  soak:", `+    finalizedVersion: "15"`}},
		{[]string{"suspend", "-f", "apps/orders/upgrade.yaml"}, "Ada Suspend the upgrade of orders", []string{"+  suspend: true"}},
		{[]string{"retry"}, "Ada Try the upgrade of orders again", []string{`+  retry: "20`}},
	} {
		t.Run(c.args[0], func(t *testing.T) {
			f := aFleet(t)
			shown := f.committed("y\n", c.args...)
			if !strings.HasPrefix(shown, c.subject+"\n") {
				t.Errorf("want %q:\n%s", c.subject, shown)
			}
			changed := 0
			for line := range strings.SplitSeq(shown, "\n") {
				if strings.HasPrefix(line, "+") && !strings.HasPrefix(line, "+++") || strings.HasPrefix(line, "-") && !strings.HasPrefix(line, "---") {
					changed++
				}
			}
			for _, line := range c.lines {
				if !strings.Contains(shown, "\n"+line) {
					t.Errorf("want %q:\n%s", line, shown)
				}
			}
			if changed != len(c.lines) {
				t.Errorf("%d lines changed, want %d:\n%s", changed, len(c.lines), shown)
			}
		})
	}
}

func TestASuspendedUpgradeIsResumed(t *testing.T) {
	f := aFleet(t)
	f.committed("yes\n", "suspend")
	if _, _, err := f.types("y\n", "suspend"); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("suspended twice: %v", err)
	}
	if shown := f.committed("", "resume", "--yes"); !strings.Contains(shown, "\n+  suspend: false") {
		t.Error(shown)
	}
}

func TestARollbackRevertsTheCutoverThatGitStillLeadsBy(t *testing.T) {
	f := aFleet(t)
	if _, _, err := f.types("y\n", "rollback"); err == nil || !strings.Contains(err.Error(), "no cutover commit below apps/orders") {
		t.Errorf("before a cutover: %v", err)
	}
	cutover := func(from, to string) {
		f.commit("Cut over\n\nGitover-Step: CommitCutover\nGitover-From: "+from+"\nGitover-To: "+to, map[string]string{"apps/orders/proxy.yaml": strings.Replace(proxyFile, "orders-15", to, 1)})
	}
	cutover("orders-15", "orders-17")
	f.commit("Something else", map[string]string{"apps/orders/notes.md": "x"})
	out, asked, err := f.types("n\n", "rollback")
	if err == nil || out != "" || !strings.Contains(asked, "+  target: orders-15") || !strings.Contains(asked, "RollbackReady") {
		t.Errorf("refused by its person: %q %q %v", out, asked, err)
	}
	if shown := f.committed("y\n", "rollback"); !strings.HasPrefix(shown, "Ada Revert \"Cut over\"") || !strings.Contains(shown, "+  target: orders-15") {
		t.Error(shown)
	}
	if _, _, err := f.types("y\n", "rollback"); err == nil || !strings.Contains(err.Error(), "reverted already") {
		t.Errorf("twice: %v", err)
	}
}

func TestABranchTakesTheCommitAndAnExportNone(t *testing.T) {
	f := aFleet(t)
	before := f.git("rev-parse", "main")
	patch, _, err := f.types("", "upgrade", "--to", "18", "--export")
	if err != nil || f.git("rev-parse", "HEAD") != before || f.git("status", "--porcelain") != "" {
		t.Fatalf("the export changed something: %v", err)
	}
	f.commit("Keep the patch", map[string]string{"change.patch": patch})
	f.git("apply", "--check", "change.patch")
	f.committed("", "upgrade", "--to", "18", "--branch", "postgres-18", "-y")
	if branch := f.git("branch", "--show-current"); branch != "postgres-18\n" {
		t.Error(branch)
	}
	remote := t.TempDir()
	f.git("init", "--quiet", "--bare", remote)
	f.git("remote", "add", "origin", remote)
	f.committed("", "approve", "-y", "--push")
	if got := f.git("ls-remote", remote, "refs/heads/postgres-18"); !strings.HasPrefix(got, strings.TrimSpace(f.git("rev-parse", "HEAD"))) {
		t.Errorf("not pushed: %q", got)
	}
}

func TestWhatCannotBeMeantIsRefusedAndNothingIsCommitted(t *testing.T) {
	for _, c := range []struct {
		story string
		args  []string
		files map[string]string // committed before
		dirty bool
		says  string
	}{
		{"a version that isn't one", []string{"upgrade", "--to", "seventeen"}, nil, false, "13 to 19"},
		{"the version that is there", []string{"upgrade", "--to", "15"}, nil, false, "already"},
		{"no version", []string{"upgrade"}, nil, false, `"to" not set`},
		{"no digest", []string{"approve", "--plan", "17"}, nil, false, "status.plan.digest"},
		{"a name that isn't there", []string{"approve", "stock"}, nil, false, "has PgUpgrade stock"},
		{"a file that isn't committed", []string{"approve", "-f", "apps/nowhere.yaml"}, nil, false, "no committed file"},
		{"changes that aren't committed", []string{"approve"}, nil, true, "commit or stash them first"},
		{"two upgrades", []string{"approve"}, map[string]string{"apps/stock/upgrade.yaml": strings.Replace(upgradeFile, "name: orders", "name: stock", 1)}, false, "say which"},
		{"nothing to approve", []string{"approve"}, map[string]string{"apps/orders/upgrade.yaml": strings.Replace(upgradeFile, "Manual", "Automatic", 1)}, false, "no cutover waits"},
		{"a version from elsewhere", []string{"upgrade", "--to", "17"}, map[string]string{"apps/orders/upgrade.yaml": strings.Replace(upgradeFile, `version: "15"`, "versionFrom:\n    path: values.yaml\n    field: tag", 1)}, false, "change it there"},
		{"a mapping in braces", []string{"suspend"}, map[string]string{"apps/orders/upgrade.yaml": "kind: PgUpgrade\nmetadata: {name: orders}\nspec: {version: \"15\"}\n"}, false, "by hand"},
	} {
		t.Run(c.story, func(t *testing.T) {
			f := aFleet(t)
			if c.files != nil {
				f.commit("Before", c.files)
			}
			if c.dirty {
				if err := os.WriteFile("apps/orders/upgrade.yaml", []byte(upgradeFile+"# mine\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			head, left := f.git("rev-parse", "HEAD"), f.git("status", "--porcelain")
			_, _, err := f.types("y\n", c.args...)
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v; want a line that says %q", err, c.says)
			}
			if f.git("rev-parse", "HEAD") != head || f.git("status", "--porcelain") != left {
				t.Error("something was changed")
			}
		})
	}
	t.Run("not in a checkout", func(t *testing.T) {
		f := aFleet(t)
		t.Chdir(t.TempDir())
		if _, _, err := f.types("y\n", "approve"); err == nil || !strings.Contains(err.Error(), "run this in your checkout") {
			t.Error(err)
		}
	})
}
