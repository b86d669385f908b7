package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// init lets the test's own program be the plugin, where it is called by a plugin's name.
func init() {
	if base := filepath.Base(os.Args[0]); base == asPlugin || base == asCompletion {
		main()
		os.Exit(0)
	}
}

func TestKubectlFindsItsPluginAndCompletesItsNames(t *testing.T) {
	p := aPerson(t)
	p.moment("copy", "orders")
	p.moment("soak", "stock")
	self, err := os.Executable()
	p.must(err)
	bin := t.TempDir()
	for _, name := range []string{asPlugin, asCompletion} {
		p.must(os.Symlink(self, filepath.Join(bin, name)))
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	kubectl := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), filepath.Join("..", "..", ".cache", "bin", "kubectl"), args...).CombinedOutput()
		if err != nil {
			t.Errorf("kubectl %v: %v", args, err)
		}
		return string(out)
	}
	p.has(kubectl("gitover", "status", "stock"), "kubectl gitover rollback stock returns to orders-15")
	p.has(kubectl("gitover", "status", "--help"), "kubectl gitover status [PGUPGRADE]", "kubectl gitover status -A -o wide")
	p.has(kubectl("__complete", "gitover", "status", ""), "orders\tPostgreSQL 15\n", "stock\tPostgreSQL 17\n")
	p.has(kubectl("__complete", "gitover", "status", "orders", "-n", ""), p.namespace+"\n")
	p.has(kubectl("__complete", "gitover", "st"), "status\t")
	p.has(p.sees("__complete", "tree", "-o", ""), "json\n", "yaml\n")
}

func TestAVerbCompletesTheNamesOfTheCheckout(t *testing.T) {
	f := aFleet(t)
	f.commit("Add stock", map[string]string{"apps/stock/upgrade.yaml": strings.Replace(upgradeFile, "name: orders", "name: stock", 1)})
	t.Chdir("apps")
	out, _, err := f.types("", "__complete", "rollback", "")
	if err != nil || !strings.HasPrefix(out, "orders\nstock\n") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestWhatAProgramIsCalledDecidesHowItSpeaks(t *testing.T) {
	for called, want := range map[string]string{"/usr/bin/gitover": "gitover", "bin/kubectl-gitover": "kubectl gitover", "kubectl-gitover.exe": "kubectl gitover"} {
		if display, rest := calledAs([]string{called, "status"}); display != want || len(rest) != 1 {
			t.Errorf("%s is %s with %v", called, display, rest)
		}
	}
	if _, rest := calledAs([]string{"kubectl_complete-gitover", "status", ""}); len(rest) != 3 || rest[0] != "__complete" {
		t.Errorf("%q", rest)
	}
}
