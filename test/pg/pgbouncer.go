package pg

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/pooler/pgbouncer"
)

// PgBouncerMajor is the major version of PostgreSQL whose root file system also has PgBouncer.
const PgBouncerMajor = 17

// PgBouncer is one running PgBouncer in transaction mode.
type PgBouncer struct {
	// Admin is the way to its console.
	Admin pgbouncer.Admin
	// Dir is the directory that it shares with its agent: TargetFile lies there.
	Dir string
	// TargetFile is included by its configuration, and empty at first.
	TargetFile string

	t       testing.TB
	users   map[string]string
	process *exec.Cmd
	done    chan struct{}
}

// NewPgBouncer prepares a pooler for users (passwords by name), with the settings of the
// examples; its admin is "gitover". Run starts it. It ends with the test.
func NewPgBouncer(t testing.TB, users map[string]string, settings Settings) *PgBouncer {
	t.Helper()
	dir, err := os.MkdirTemp("", "gitover-pgb-")
	if err != nil {
		t.Fatal(err)
	}
	p := &PgBouncer{
		t: t, Dir: dir, TargetFile: filepath.Join(dir, "target.ini"), users: users,
		Admin: pgbouncer.Admin{Host: "127.0.0.1", Port: ReservePort(t), User: "gitover", Password: "admin-secret"},
	}
	t.Cleanup(func() {
		p.Kill()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the files of PgBouncer: %v", err)
		}
	})
	all := Settings{
		"listen_addr": "127.0.0.1", "listen_port": fmt.Sprint(p.Admin.Port), "unix_socket_dir": "",
		"auth_type": "scram-sha-256", "auth_file": "/mnt/userlist.txt", "admin_users": p.Admin.User,
		"pool_mode": "transaction", "default_pool_size": "20", "max_client_conn": "500",
		"max_prepared_statements": "100", "server_login_retry": "0.05", "query_wait_timeout": "60",
		"ignore_startup_parameters": "extra_float_digits", "server_tls_sslmode": "disable",
	}
	maps.Copy(all, settings)
	conf := "%include /mnt/target.ini\n[pgbouncer]\n"
	for _, name := range slices.Sorted(maps.Keys(all)) {
		conf += name + " = " + all[name] + "\n"
	}
	list := fmt.Sprintf("%q %q\n", p.Admin.User, p.Admin.Password)
	for user, password := range users {
		list += fmt.Sprintf("%q %q\n", user, password)
	}
	for name, content := range map[string]string{"pgbouncer.ini": conf, "userlist.txt": list, "target.ini": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// Run starts the pooler, or starts it again after Kill.
func (p *PgBouncer) Run() {
	p.t.Helper()
	log, err := os.OpenFile(filepath.Join(p.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	cmd := command(context.Background(), Rootfs(p.t, PgBouncerMajor), PgBouncerMajor, p.Dir, "KILL", nil, "/usr/sbin/pgbouncer", "/mnt/pgbouncer.ini")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start PgBouncer: %v", err)
	}
	p.process, p.done = cmd, make(chan struct{})
	go func(done chan struct{}) { _ = cmd.Wait(); close(done) }(p.done)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		console, err := p.Admin.Connect(ctx)
		if err == nil {
			console.Close(ctx)
			return
		}
		select {
		case <-p.done:
			p.t.Fatalf("PgBouncer did not start:\n%s", p.Log())
		case <-ctx.Done():
			p.t.Fatalf("PgBouncer does not answer: %v\n%s", err, p.Log())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the pooler at once; its clients are cut off.
func (p *PgBouncer) Kill() {
	if p.process == nil {
		return
	}
	_ = p.process.Process.Signal(syscall.SIGKILL)
	<-p.done
	p.process = nil
}

// Freeze takes the processor from the pooler, until Thaw: its connections stay open.
func (p *PgBouncer) Freeze() { p.signal(syscall.SIGSTOP) }

// Thaw gives it back.
func (p *PgBouncer) Thaw() { p.signal(syscall.SIGCONT) }

// PID is the pooler's process, for who signals it as a person would.
func (p *PgBouncer) PID() int { return p.process.Process.Pid }

func (p *PgBouncer) signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.process.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
}

// Log is what the pooler has written so far.
func (p *PgBouncer) Log() string {
	text, err := os.ReadFile(filepath.Join(p.Dir, "log"))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}
