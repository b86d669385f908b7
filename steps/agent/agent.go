package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler/pgbouncer"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// Options are the settings of one agent.
type Options struct {
	// Name of the pod; the register records it when this agent decides.
	Name string
	// TargetFile is what pgbouncer.ini includes. StateFile lies on the same volume, which
	// outlives the containers but not the pod.
	TargetFile, StateFile string
	// Admin says how to reach the pod's own PgBouncer.
	Admin pgbouncer.Admin
	// Listen is the address for the controller's requests, ProbeListen for the kubelet's.
	Listen, ProbeListen string
	// CertificateAuthority, Certificate and Key are files that may change at any time.
	CertificateAuthority, Certificate, Key string
	// RegisterUserFile and RegisterPasswordFile hold the role that resolves a switch whose
	// controller is silent. They are read when needed.
	RegisterUserFile, RegisterPasswordFile string
	// Source says what is active.
	Source Source
	// SourceWait is how long a start waits for the source before it trusts the target
	// file that is there. Zero means 5 s.
	SourceWait time.Duration
	Log        *slog.Logger
}

const consoleTimeout = 2 * time.Second

// agent runs beside one pooler. mu guards the fields below it and orders all commands to the
// pooler, so that a RESUME never overtakes a PAUSE.
type agent struct {
	o     Options
	tasks sync.WaitGroup
	life  context.Context

	mu      sync.Mutex
	console *pgbouncer.Console
	target  protocol.Target
	// verified: the pooler confirmed target; until then it is checked again.
	verified bool
	hold     *hold
	active   Active
	seen     bool
	started  bool
	version  string
	// others is the last answer to the question that askedOthers remembers.
	others      string
	askedOthers *pgbouncer.Console
}

func newAgent(life context.Context, o Options) *agent {
	if o.SourceWait == 0 {
		o.SourceWait = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &agent{o: o, life: life, hold: newHold(life, holdRecord{})}
}

// admin returns the warm console, or a new one. The caller holds mu.
func (a *agent) admin(ctx context.Context) (*pgbouncer.Console, error) {
	if a.console != nil && a.console.Alive() {
		return a.console, nil
	}
	console, err := a.o.Admin.Connect(ctx)
	if err != nil {
		return nil, err
	}
	a.console = console
	return console, nil
}

// on runs one exchange with the console and replaces a broken connection once. The caller
// holds mu.
func (a *agent) on(do func(context.Context, *pgbouncer.Console) error) error {
	ctx, cancel := context.WithTimeout(a.life, consoleTimeout)
	defer cancel()
	warm := a.console
	console, err := a.admin(ctx)
	if err != nil {
		return err
	}
	err = do(ctx, console)
	var refused *pgbouncer.RefusedError
	if err == nil || errors.As(err, &refused) || console != warm || console.Alive() {
		return err
	}
	if console, err = a.admin(ctx); err != nil {
		return err
	}
	return do(ctx, console)
}

// applyTarget makes the pooler lead to t: it writes the file, sends RELOAD, and checks the
// result. After a failure the former file is restored. prepared says that t's file already lies
// beside the target file. The caller holds mu.
func (a *agent) applyTarget(t protocol.Target, prepared bool) error {
	left := a.target
	content, err := poolerTarget(t).Render()
	if err != nil {
		return err
	}
	if prepared {
		err = pgbouncer.Promote(a.o.TargetFile)
	} else {
		err = pgbouncer.Write(a.o.TargetFile, []byte(content))
	}
	if err != nil {
		return fmt.Errorf("write the target file: %w", err)
	}
	if err := a.reload(t, left); err != nil {
		a.restoreTarget(left)
		return err
	}
	a.target, a.verified = t, true
	return a.persist()
}

// reload makes the pooler read its file and checks the result.
func (a *agent) reload(t, left protocol.Target) error {
	return a.on(func(ctx context.Context, c *pgbouncer.Console) error {
		if err := c.Reload(ctx); err != nil {
			return err
		}
		found, err := c.Databases(ctx)
		if err != nil {
			return err
		}
		if err := poolerTarget(t).Matches(found, poolerTarget(left)); err != nil {
			return &protocol.ReloadError{Pooler: a.o.Name, Message: "after RELOAD, " + err.Error() + "; see PgBouncer's log for what is wrong in its configuration"}
		}
		return nil
	})
}

// restoreTarget restores the former file; a later check shows whether the pooler read it.
func (a *agent) restoreTarget(t protocol.Target) {
	if !usable(t) {
		return
	}
	content, err := poolerTarget(t).Render()
	if err == nil {
		err = pgbouncer.Write(a.o.TargetFile, []byte(content))
	}
	if err == nil {
		err = a.on(func(ctx context.Context, c *pgbouncer.Console) error { return c.Reload(ctx) })
	}
	if err != nil {
		a.o.Log.Error("restoring the pooler's target failed", "error", err)
	}
	a.verified = false
}

// resume lets clients continue. The caller holds mu.
func (a *agent) resume() error {
	return a.on(func(ctx context.Context, c *pgbouncer.Console) error { return c.Resume(ctx) })
}

// register is the address of an instance's register, with the agents' own role.
func (a *agent) register(ctx context.Context, t protocol.Target) (*fence.Register, error) {
	user, err := readTrimmed(a.o.RegisterUserFile)
	if err != nil {
		return nil, err
	}
	password, err := readTrimmed(a.o.RegisterPasswordFile)
	if err != nil {
		return nil, err
	}
	return fence.OpenRegister(ctx, postgres.Server{
		Instance: t.Instance, Host: t.Host, Port: t.Port, User: user, Password: postgres.Password(password),
		MaintenanceDatabase: postgres.MaintenanceDatabase, SSLMode: t.SSLMode, CA: t.CA,
	})
}

func readTrimmed(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("register credentials: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

func sessionsOf(ctx context.Context, c *pgbouncer.Console) ([]protocol.PoolerSession, error) {
	clients, err := c.SessionClients(ctx)
	var sessions []protocol.PoolerSession
	for _, client := range clients {
		sessions = append(sessions, protocol.PoolerSession{
			User: client.User, Database: client.Database, Application: client.Application, Address: client.Address,
			AgeMilliseconds: time.Since(client.Since).Milliseconds(),
		})
	}
	return sessions, err
}

// state is what the controller sees.
func (a *agent) state() (protocol.PoolerState, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := protocol.PoolerState{
		Target: a.target, SwitchID: a.hold.SwitchID, Phase: a.hold.Phase, Verified: a.verified,
		UnixMillisecondsNow: time.Now().UnixMilli(),
	}
	err := a.on(func(ctx context.Context, c *pgbouncer.Console) (err error) {
		if s.Paused, err = c.Paused(ctx); err != nil {
			return err
		}
		if a.version == "" {
			if a.version, err = c.Version(ctx); err != nil {
				return err
			}
		}
		// so_reuseport changes with a restart only, which ends the session
		if a.askedOthers != c {
			if a.others, err = c.Others(ctx); err != nil {
				return err
			}
			a.askedOthers = c
		}
		load, err := c.Load(ctx)
		s.Waiting, s.OldestMilliseconds = load.Waiting, int64(load.OldestSeconds*1000)
		if err != nil || !load.SessionMode {
			return err
		}
		s.Sessions, err = sessionsOf(ctx, c)
		return err
	})
	s.Version, s.Others = a.version, a.others
	return s, err
}
