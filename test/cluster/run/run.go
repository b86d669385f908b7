// Package run starts programs so that a failure explains itself: output goes to
// a log file, and an error names that file and shows its last lines.
package run

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

// shownLines is how much of a log an error carries.
const shownLines = 15

// Command is one program to run to its end.
type Command struct {
	Dir  string
	Env  []string // added to this process's own
	Args []string // the program and its arguments
	Log  string   // file that receives standard output and standard error
}

// Run runs the command and waits for it. Canceling ctx ends the program and
// everything it started.
func (c Command) Run(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Dir(c.Log), 0o755); err != nil {
		return err
	}
	log, err := os.Create(c.Log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w; log %s ends with:\n%s", filepath.Base(c.Args[0]), err, c.Log, Tail(c.Log))
	}
	return nil
}

// Output runs a short program and returns its standard output; an error carries
// what it wrote to standard error.
func Output(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// Tail returns the last lines of a file, indented, for an error message.
func Tail(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return "    (" + err.Error() + ")"
	}
	lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	if len(lines) > shownLines {
		lines = lines[len(lines)-shownLines:]
	}
	return "    " + strings.Join(lines, "\n    ")
}
