package nginx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gitover/gitover/steps/pooler"
)

// Upstream is the name that the agent's file gives to where clients are led.
const Upstream = "gitover"

// reloadWait bounds how long a reload may take until the new workers answer.
const reloadWait = 1500 * time.Millisecond

const (
	// retireWait is how long after a reload nginx's master tells the old workers to end, and a little more: until then they
	// would still take connections.
	retireWait = 150 * time.Millisecond
	// rehearsalInterval: old workers stay for as long as their sessions, so a rehearsal isn't made for each attempt.
	rehearsalInterval = 5 * time.Minute
)

// Driver leads one nginx. Use it by its address.
type Driver struct {
	// TargetFile is what the stream block includes, PIDFile nginx's own.
	TargetFile, PIDFile string
	// Status is a free port of the loopback address, host:port, at which nginx says what it serves.
	Status string
	pooler.Addresses

	// loaded is the mark of what nginx was seen to serve, and rehearsed when it last read its configuration.
	loaded    string
	rehearsed time.Time
}

// Render implements pooler.Driver.
func (d *Driver) Render(ctx context.Context, t pooler.Target) ([]byte, error) {
	at, err := d.At(ctx, t)
	if err != nil {
		return nil, err
	}
	body := fmt.Sprintf("upstream %s {\n    server %s;\n}\n", Upstream, at)
	return fmt.Appendf(nil, "# Written by gitover-agent. Changes made by hand are lost.\n%sserver {\n    listen %s;\n    return \"%s $nginx_version\";\n}\n", body, d.Status, mark(body)), nil
}

// mark of a file's content, by which nginx says that it serves it.
func mark(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:8])
}

// Connect implements pooler.Driver. There is nothing to connect to but the process.
func (d *Driver) Connect(context.Context) (pooler.Session, error) {
	_, err := d.master()
	return &session{Driver: d}, err
}

type session struct {
	*Driver
	pooler.Connectionless
}

// Rehearse implements pooler.Session: nginx reads its whole configuration again, with the target that it has.
func (s *session) Rehearse(ctx context.Context) error {
	if time.Since(s.rehearsed) < rehearsalInterval {
		return nil
	}
	return s.reload(ctx)
}

// Pause implements pooler.Session.
func (s *session) Pause(context.Context) error { return s.signalWorkers(syscall.SIGSTOP) }

// Resume implements pooler.Session. If the file says another target than nginx serves, new workers take the connections that
// wait before the old ones go on: also if a worker that began in the hold isn't stopped, which has the former target.
func (s *session) Resume(ctx context.Context) error {
	content, err := os.ReadFile(s.TargetFile)
	if err != nil {
		return err
	}
	var failed error
	if !says(content, s.loaded) {
		if failed = s.reload(ctx); failed == nil {
			time.Sleep(retireWait) // from when the new workers were there
		}
	}
	return errors.Join(failed, s.signalWorkers(syscall.SIGCONT))
}

// Paused implements pooler.Session.
func (s *session) Paused(context.Context) (all, some bool, err error) {
	master, err := s.master()
	if err != nil {
		return false, false, err
	}
	states, err := workers(master)
	all = len(states) > 0
	for _, state := range states {
		all, some = all && state == "T", some || state == "T"
	}
	return all, some, err
}

// Lead implements pooler.Session: while clients are held, Resume does it.
func (s *session) Lead(ctx context.Context, _, _ pooler.Target) error {
	if paused, _, err := s.Paused(ctx); err != nil || paused {
		return err
	}
	return s.reload(ctx)
}

// About implements pooler.Session. Workers that are stopped say nothing.
func (s *session) About(ctx context.Context) (pooler.About, error) {
	_, version, err := s.serves(ctx)
	if err != nil {
		return pooler.About{Version: "nginx"}, nil //nolint:nilerr // it says nothing while it stands still
	}
	return pooler.About{Version: "nginx " + version}, nil
}

func (s *session) signalWorkers(signal syscall.Signal) error {
	master, err := s.master()
	if err != nil {
		return err
	}
	all, err := workers(master)
	for pid := range all {
		if failed := send(pid, signal); failed != nil {
			err = failed
		}
	}
	return err
}

// reload until new workers serve what the file says, and no old one takes connections. Workers that are stopped stay so.
func (s *session) reload(ctx context.Context) error {
	content, err := os.ReadFile(s.TargetFile)
	if err != nil {
		return err
	}
	master, err := s.master()
	if err != nil {
		return err
	}
	before, err := workers(master)
	if err != nil {
		return err
	}
	if err := send(master, syscall.SIGHUP); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, reloadWait)
	defer cancel()
	for {
		now, err := workers(master)
		if err != nil {
			return err
		}
		fresh := false
		for pid := range now {
			fresh = fresh || before[pid] == ""
		}
		served := ""
		if fresh {
			served, _, err = s.serves(wait)
		}
		if err == nil && says(content, served) {
			s.loaded, s.rehearsed = served, time.Now()
			return nil
		}
		select {
		case <-wait.Done():
			return &pooler.NotLedError{Message: "nginx did not take its configuration after SIGHUP; see its log for what is wrong, and whether stream includes " + s.TargetFile}
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// says whether a file has a mark.
func says(content []byte, mark string) bool {
	return mark != "" && strings.Contains(string(content), "\""+mark+" ")
}

// serves asks nginx for the mark of the file that it serves, and for its version.
func (s *session) serves(ctx context.Context) (served, version string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 250*time.Millisecond)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Status)
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return "", "", err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 200))
	served, version, _ = strings.Cut(string(answer), " ")
	return served, version, err
}
