package pg

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/postgres"
)

// Password of the superuser "postgres": awkward on purpose, so that what quotes badly fails.
const Password = `it's a "sec\ret" $1 %s`

// Settings are lines of postgresql.conf.
type Settings map[string]string

// Logical is what a publisher and subscriber needs.
var Logical = Settings{"wal_level": "logical"}

// Server is one running PostgreSQL server.
type Server struct {
	// Server is how Gitover connects to it, as superuser.
	postgres.Server
	Major int

	t    testing.TB
	root string
	dir  string
	// program is the server's, in the chroot.
	program string
	process *exec.Cmd
	done    chan struct{}
}

// Start runs a fresh server of a major version until the test ends. Beside settings it has
// UTF-8, SCRAM passwords, wal_level replica, no fsync, and writes every statement that fails
// to its log (Log).
func Start(t testing.TB, major int, settings Settings) *Server {
	t.Helper()
	return start(t, major, func(string) string { return binaries(major) + "/postgres" }, settings)
}

// start has place put the server's program where the chroot has it, given the directory that is its /mnt.
func start(t testing.TB, major int, place func(dir string) string, settings Settings) *Server {
	t.Helper()
	s := newServer(t, Server{Major: major, root: Rootfs(t, major)})
	s.program = place(s.dir)
	template := cluster(t, s.root, major)
	if out, err := exec.Command("cp", "-a", "--reflink=auto", template, filepath.Join(s.dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("copy the initial cluster: %v\n%s", err, out)
	}
	s.Server = postgres.Server{
		Instance: fmt.Sprintf("test-%d", major), Host: "127.0.0.1", Port: ReservePort(t),
		User: "postgres", Password: Password, MaintenanceDatabase: "postgres",
	}
	s.configure(settings)
	s.Run()
	return s
}

// newServer gives a server a directory of its own; both end with the test.
func newServer(t testing.TB, like Server) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "gitover-pg-")
	if err != nil {
		t.Fatal(err)
	}
	s := &like
	s.t, s.dir, s.process, s.done = t, dir, nil, nil
	t.Cleanup(func() {
		s.Kill()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the data of PostgreSQL %d: %v", s.Major, err)
		}
	})
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	return s
}

// Run starts the server again after Stop or Kill, on the same port and data.
func (s *Server) Run() {
	s.t.Helper()
	logfile, err := os.OpenFile(s.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer logfile.Close()
	cmd := command(context.Background(), s.root, s.Major, s.dir, "QUIT", nil, s.program, "-D", "/mnt/data")
	cmd.Stdout, cmd.Stderr = logfile, logfile
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start PostgreSQL %d: %v", s.Major, err)
	}
	s.process, s.done = cmd, make(chan struct{})
	go func(done chan struct{}) { _ = cmd.Wait(); close(done) }(s.done)
	s.awaitReady()
}

// Stop shuts the server down in order (fast mode) and waits.
func (s *Server) Stop() { s.end(syscall.SIGINT) }

// Kill ends the server at once, as a crash does; the next Run recovers from WAL.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(signal syscall.Signal) {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(signal)
	select {
	case <-s.done:
	case <-time.After(30 * time.Second):
		s.t.Errorf("PostgreSQL %d did not stop within 30 s:\n%s", s.Major, s.Log())
		_ = s.process.Process.Kill()
		<-s.done
	}
	s.process = nil
}

// Log is everything the server has written so far.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.logPath())
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// Logins counts Gitover's own in the log, for a server that has log_connections on.
func (s *Server) Logins() int { return len(ownLogin.FindAllString(s.Log(), -1)) }

var ownLogin = regexp.MustCompile(`(?m)connection authorized: user=postgres .*application_name=gitover\b`)

func (s *Server) logPath() string { return filepath.Join(s.dir, "log") }

func (s *Server) configure(settings Settings) {
	s.t.Helper()
	all := Settings{
		"listen_addresses": "127.0.0.1", "port": fmt.Sprint(s.Port), "unix_socket_directories": "",
		"fsync": "off", "shared_buffers": "32MB", "max_connections": "60", "log_min_messages": "warning",
		"dynamic_shared_memory_type": "mmap", "wal_sender_timeout": "10s", "wal_retrieve_retry_interval": "200ms",
	}
	maps.Copy(all, settings)
	var conf strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&conf, "%s = '%s'\n", name, strings.ReplaceAll(all[name], "'", "''"))
	}
	path := filepath.Join(s.dir, "data", "postgresql.auto.conf")
	if err := os.WriteFile(path, []byte(conf.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chown(path, uid, uid); err != nil {
		s.t.Fatal(err)
	}
}

// awaitReady returns when the server answers a query.
func (s *Server) awaitReady() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := s.Connect(ctx, "")
		if err == nil {
			_ = conn.Close(ctx)
			return
		}
		select {
		case <-s.done:
			s.t.Fatalf("PostgreSQL %d did not start:\n%s", s.Major, s.Log())
		case <-ctx.Done():
			s.t.Fatalf("PostgreSQL %d is not ready: %v\n%s", s.Major, err, s.Log())
		case <-tick.C:
		}
	}
}
