package seed_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gitover/gitover/steps/seed"
	"github.com/gitover/gitover/test/pg"
)

// phases of both scripts, in order.
var phases = []string{"Backup", "Recovery", "Detach", "Programs", "Copied", "Initialize", "Upgrade", "Collations", "Finish"}

// killedAt runs both containers, and kills the one that announces a phase.
func (c *copier) killedAt(phase string) {
	c.t.Helper()
	for _, half := range []struct {
		major  int
		script string
	}{{c.blue.Major, seed.BackupScript}, {c.green, seed.UpgradeScript}} {
		ctx, kill := context.WithCancel(c.t.Context())
		cmd := c.volume.Container(ctx, half.major, append([]string{seed.PasswordVariable + "=" + string(c.blue.Password)}, c.env...), half.script)
		out, err := cmd.StdoutPipe()
		must(c.t, err)
		must(c.t, cmd.Start())
		killed := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "gitover-seed: phase "+phase) {
				killed = true
				kill()
			}
		}
		err = cmd.Wait()
		kill()
		if killed {
			return
		}
		must(c.t, err)
	}
	c.t.Fatalf("no phase %s", phase)
}

// TestASeedThatIsKilledBeginsAgainFromNothing: only the last rename counts, so a volume whose seed was killed has no database.
func TestASeedThatIsKilledBeginsAgainFromNothing(t *testing.T) {
	blue := pg.Start(t, 15, blueSettings)
	fill(t, blue)
	publish(t, blue.Server, "test-17")
	c := newCopier(t, blue, 17)
	for _, phase := range pg.Every(len(phases), 2, phases) {
		c.killedAt(phase)
		if _, err := os.Stat(c.volume.Path("data/PG_VERSION")); err == nil {
			t.Fatalf("killed at %s, and green has a database", phase)
		}
	}
	c.seed()
	// a Job whose success was not seen runs again: it finds its work, and other runs leave it alone
	c.seed()
	for i, e := range c.env {
		if strings.HasPrefix(e, "GITOVER_RUN=") {
			c.env[i] = "GITOVER_RUN=another"
		}
	}
	if out, err := c.backup(t.Context()); err == nil || !strings.Contains(out, "already holds a database") {
		t.Errorf("another run: %v\n%s", err, out)
	}
	green := c.volume.Start(17, blueSettings)
	onlyWhatMoves(t, green)
	follow(t, blue, green)
	equal(t, blue, green)
}

// TestASeedNeverTouchesAVolumeThatHoldsSomething, whatever it is.
func TestASeedNeverTouchesAVolumeThatHoldsSomething(t *testing.T) {
	blue := pg.Start(t, 15, blueSettings)
	c := newCopier(t, blue, 17)
	must(t, os.Mkdir(c.volume.Path("data"), 0o755))
	must(t, os.WriteFile(c.volume.Path("data/mine"), []byte("precious"), 0o644))
	if out, err := c.backup(t.Context()); err == nil || !strings.Contains(out, "already holds something") {
		t.Errorf("%v\n%s", err, out)
	}
	if text, err := os.ReadFile(c.volume.Path("data/mine")); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestASeedThatDoesNotFitSaysSoBeforeItBegins, by what the file system has, and leaves nothing.
func TestASeedThatDoesNotFitSaysSoBeforeItBegins(t *testing.T) {
	blue := pg.Start(t, 15, blueSettings)
	c := newCopier(t, blue, 17)
	env := append([]string{seed.PasswordVariable + "=" + string(blue.Password)}, c.env...)
	out, err := c.volume.Container(t.Context(), blue.Major, append(env, "GITOVER_NEEDED=9000000000000000"), seed.BackupScript).CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != 3 || !strings.Contains(string(out), "MiB free, and the data of blue is") || strings.Contains(string(out), "phase") {
		t.Errorf("%v: %s", err, out)
	}
	if left, err := os.ReadDir(c.volume.Path(".gitover-seed")); err == nil {
		t.Errorf("left: %v", left)
	}
}

// TestASeedEndsBeforeItFillsItsVolume, and empties it: something else writes there, too.
func TestASeedEndsBeforeItFillsItsVolume(t *testing.T) {
	blue := pg.Start(t, 15, blueSettings)
	c := newCopier(t, blue, 17)
	must(t, unix.Mount("tmpfs", c.volume.Path(""), "tmpfs", 0, "size=400m"))
	t.Cleanup(func() { must(t, unix.Unmount(c.volume.Path(""), unix.MNT_DETACH)) })
	must(t, os.Chmod(c.volume.Path(""), 0o777))
	env := append([]string{seed.PasswordVariable + "=" + string(blue.Password)}, c.env...)
	cmd := c.volume.Container(t.Context(), blue.Major, env, seed.BackupScript)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	must(t, cmd.Start())
	stopped := 0
	for n := 0; stopped == 0; n++ {
		pid, _ := strconv.Atoi(blue.Query("", "SELECT coalesce(max(pid), 0) FROM pg_stat_progress_basebackup"))
		if pid > 0 && unix.Kill(pid, unix.SIGSTOP) == nil {
			stopped = pid
		}
		if n > 5000 {
			t.Fatal("no backup")
		}
	}
	defer func() { _ = unix.Kill(stopped, unix.SIGCONT) }()
	must(t, os.WriteFile(c.volume.Path("other"), make([]byte, 396<<20), 0o600))
	var ended *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &ended) || ended.ExitCode() != 3 || !strings.Contains(said.String(), "MiB free left, and the data of blue is") {
		t.Errorf("%v: %s", err, said.String())
	}
	if left, err := os.ReadDir(c.volume.Path("")); err != nil || len(left) != 1 {
		t.Errorf("left: %v, %v", left, err)
	}
}
