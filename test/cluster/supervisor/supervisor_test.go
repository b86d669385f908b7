package supervisor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/gitover/gitover/test/cluster/layout"
)

func TestAnOwnerIsAliveOnlyWhileItsOwnProcessRuns(t *testing.T) {
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	start, err := startTime(sleeper.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	owner := Owner{PID: sleeper.Process.Pid, Start: start}
	if !owner.Alive() {
		t.Error("a running owner isn't alive")
	}
	if (Owner{PID: owner.PID, Start: "1"}).Alive() {
		t.Error("another process with the owner's PID was taken for it")
	}
	if err := sleeper.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for owner.Alive() && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if owner.Alive() {
		t.Error("a zombie counts as alive")
	}
	_ = sleeper.Wait()
}

func TestOnlyForeignZombiesOfPIDOneAreReaped(t *testing.T) {
	for stat, want := range map[string]bool{
		"71 (containerd-shim) Z 1 71 71 0": true,
		"71 (odd) name) Z 1 71 71 0":       false, // unclear: left alone
		"71 (kube-apiserver) Z 1 71 71 0":  false,
		"71 (containerd-shim) S 1 71 71 0": false,
		"71 (postgres) Z 40 71 71 0":       false,
	} {
		path := filepath.Join(t.TempDir(), "stat")
		if err := os.WriteFile(path, []byte(stat), 0o600); err != nil {
			t.Fatal(err)
		}
		if pid, got := orphan(path); got != want || (got && pid != 71) {
			t.Errorf("%s: %d, %t", stat, pid, got)
		}
	}
}

func TestConfigurationSurvivesItsFile(t *testing.T) {
	l := layout.Layout{Repo: "/r", Cache: t.TempDir()}
	if err := os.MkdirAll(l.State(), 0o755); err != nil {
		t.Fatal(err)
	}
	wrote := Config{Layout: l, Network: layout.Network{Prefix: "10.1"}, Images: []Import{{Name: "a", Key: "k"}}}
	if err := wrote.write(); err != nil {
		t.Fatal(err)
	}
	got, err := readConfig(wrote.path())
	if err != nil || got.Network != wrote.Network || len(got.Images) != 1 || got.Layout != l {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestThisProcessHasItsOwnStartTime(t *testing.T) {
	start, err := startTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strconv.ParseUint(start, 10, 64); err != nil {
		t.Error(err)
	}
}
