package pg

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Proxy is one running program of an image that has no PostgreSQL server.
type Proxy struct {
	// Dir is what the program sees as /mnt.
	Dir string

	t       testing.TB
	root    string
	args    []string
	process *exec.Cmd
	done    chan struct{}
}

// NewProxy prepares a program of an image with its files; Run starts it. It ends with the test.
func NewProxy(t testing.TB, image string, files map[string]string, args ...string) *Proxy {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real servers")
	}
	root := filepath.Join(repository(t), ".cache", "images", image, "rootfs")
	if _, err := os.Stat(root); err != nil {
		missing(t, "no image "+image+": run `go run ./test/cluster/cmd/stage images "+image+"`")
	}
	dir, err := os.MkdirTemp("", "gitover-"+image+"-")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Dir: dir, t: t, root: root, args: args}
	t.Cleanup(func() {
		p.Kill()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the files of %s: %v", image, err)
		}
	})
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// Run starts the program, or starts it again after Kill.
func (p *Proxy) Run() {
	p.t.Helper()
	log, err := os.OpenFile(filepath.Join(p.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	cmd := command(context.Background(), p.root, newestClient, p.Dir, "KILL", nil, p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.args[0], err)
	}
	p.process, p.done = cmd, make(chan struct{})
	go func(done chan struct{}) { _ = cmd.Wait(); close(done) }(p.done)
}

// Kill ends the program and its workers at once; its clients are cut off.
func (p *Proxy) Kill() {
	if p.process == nil {
		return
	}
	_ = syscall.Kill(-p.process.Process.Pid, syscall.SIGKILL)
	<-p.done
	p.process = nil
}

// Log is what the program has written so far.
func (p *Proxy) Log() string {
	text, err := os.ReadFile(filepath.Join(p.Dir, "log"))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
