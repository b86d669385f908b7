package cluster_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func (s smoke) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s smoke) run(dir string, args ...string) string {
	s.Helper()
	cmd := exec.CommandContext(s.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// lists asks the Git server for its references. Git itself would wait more than two minutes
// for a connection to a server whose pod has just gone.
func (s smoke) lists(url string) error {
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "ls-remote", url)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what connects is git's child
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("git ls-remote: %w: %s", err, out)
	}
	return err
}

func (s smoke) eventually(what string, holds func() error) {
	s.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := holds()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("%s: not within %s: %v", what, patience, err)
		}
		select {
		case <-s.Context().Done():
			s.Fatal(s.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (s smoke) write(name, content string) {
	s.Helper()
	path := filepath.Join(s.clone, name)
	s.must(os.MkdirAll(filepath.Dir(path), 0o755))
	s.must(os.WriteFile(path, []byte(content), 0o644))
}

func (s smoke) commit(message, name, content string) {
	s.Helper()
	s.write(name, content)
	s.run(s.clone, "git", "add", "-A")
	s.run(s.clone, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--allow-empty", "-qm", message)
	s.push()
}

// push also asks Flux to look now, once it knows the repository.
func (s smoke) push() {
	s.Helper()
	s.run(s.clone, "git", "push", "-q", "origin", "main")
	_, _ = s.stage.Kube(s.Context(), "annotate", "-n", "smoke", "gitrepository/smoke", "--overwrite",
		fmt.Sprintf("reconcile.fluxcd.io/requestedAt=%d", time.Now().UnixNano()))
}

// trySQL runs a statement from inside a pod, by the name of a Service.
func (s smoke) trySQL(pod, host, database, statement string) (string, error) {
	connection := fmt.Sprintf("host=%s user=app password=smoke dbname=%s connect_timeout=3 tcp_user_timeout=3000", host, database)
	out, err := s.stage.Kube(s.Context(), "exec", "-n", "smoke", pod, "--", "timeout", "6", "psql", "-XtAc", statement, connection)
	return strings.TrimSpace(out), err
}

func (s smoke) sql(pod, host, database, statement string) string {
	s.Helper()
	out, err := s.trySQL(pod, host, database, statement)
	s.must(err)
	return out
}

func (s smoke) expect(want, pod, host, database, statement string) error {
	out, err := s.trySQL(pod, host, database, statement)
	if err == nil && !strings.Contains(out, want) {
		err = fmt.Errorf("%s answered %q, not %q", host, out, want)
	}
	return err
}
