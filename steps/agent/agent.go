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
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// Options are the settings of one agent.
type Options struct {
	// Name of the pod; the register records it when this agent decides.
	Name string
	// TargetFile is what the pooler's configuration includes. StateFile lies on the same volume, which
	// outlives the containers but not the pod.
	TargetFile, StateFile string
	// Driver leads and holds the pod's own pooler.
	Driver pooler.Driver
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
	console pooler.Session
	target  protocol.Target
	// verified: the pooler confirmed target; until then it is checked again.
	verified bool
	// moved: the target's name has another address than its file.
	moved   bool
	hold    *hold
	active  Active
	seen    bool
	started bool
	// about is what the session asked said of its program.
	about pooler.About
	asked pooler.Session
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
func (a *agent) admin(ctx context.Context) (pooler.Session, error) {
	if a.console != nil && a.console.Alive() {
		return a.console, nil
	}
	console, err := a.o.Driver.Connect(ctx)
	if err != nil {
		return nil, err
	}
	a.console = console
	return console, nil
}

// on runs one exchange with the console and replaces a broken connection once. The caller
// holds mu.
func (a *agent) on(do func(context.Context, pooler.Session) error) error {
	ctx, cancel := context.WithTimeout(a.life, consoleTimeout)
	defer cancel()
	warm := a.console
	console, err := a.admin(ctx)
	if err != nil {
		return err
	}
	err = do(ctx, console)
	var refused *pooler.RefusedError
	if err == nil || errors.As(err, &refused) || console != warm || console.Alive() {
		return err
	}
	if console, err = a.admin(ctx); err != nil {
		return err
	}
	return do(ctx, console)
}

// applyTarget makes the pooler lead to t: it writes the file, has the pooler read it, and checks the
// result. After a failure the former file is restored. prepared says that t's file already lies
// beside the target file. The caller holds mu.
func (a *agent) applyTarget(t protocol.Target, prepared bool) error {
	left := a.target
	content, err := a.render(t)
	if err != nil {
		return err
	}
	if prepared {
		err = pooler.Promote(a.o.TargetFile)
	} else {
		err = pooler.Write(a.o.TargetFile, content)
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
	return a.on(func(ctx context.Context, c pooler.Session) error {
		err := c.Lead(ctx, poolerTarget(t), poolerTarget(left))
		var wrong *pooler.NotLedError
		if errors.As(err, &wrong) {
			return &protocol.ReloadError{Pooler: a.o.Name, Message: wrong.Message}
		}
		return err
	})
}

// lookUp has render lead to the present address of t's name. The caller holds mu.
func (a *agent) lookUp(t protocol.Target) error {
	ctx, cancel := context.WithTimeout(a.life, consoleTimeout)
	defer cancel()
	_, err := a.o.Driver.Moved(ctx, poolerTarget(t))
	return err
}

// render gives the file that leads to t.
func (a *agent) render(t protocol.Target) ([]byte, error) {
	ctx, cancel := context.WithTimeout(a.life, consoleTimeout)
	defer cancel()
	return a.o.Driver.Render(ctx, poolerTarget(t))
}

// restoreTarget restores the former file; a later check shows whether the pooler read it.
func (a *agent) restoreTarget(t protocol.Target) {
	if !usable(t) {
		return
	}
	content, err := a.render(t)
	if err == nil {
		err = pooler.Write(a.o.TargetFile, content)
	}
	if err == nil {
		err = a.reload(t, protocol.Target{})
	}
	if err != nil {
		a.o.Log.Error("restoring the pooler's target failed", "error", err)
	}
	a.verified = false
}

// resume lets clients continue. The caller holds mu.
func (a *agent) resume() error {
	return a.on(func(ctx context.Context, c pooler.Session) error { return c.Resume(ctx) })
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

func sessionsOf(ctx context.Context, c pooler.Session) ([]protocol.PoolerSession, error) {
	clients, err := c.Clients(ctx)
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
	err := a.on(func(ctx context.Context, c pooler.Session) (err error) {
		if _, s.Paused, err = c.Paused(ctx); err != nil {
			return err
		}
		// it changes with a restart only, which ends the session
		if a.asked != c {
			if a.about, err = c.About(ctx); err != nil {
				return err
			}
			a.asked = c
		}
		load, err := c.Load(ctx)
		s.Waiting, s.OldestMilliseconds = load.Waiting, int64(load.OldestSeconds*1000)
		if err != nil || !load.SessionMode {
			return err
		}
		s.Sessions, err = sessionsOf(ctx, c)
		return err
	})
	s.Version, s.Others = a.about.Version, a.about.Others
	return s, err
}

// averages of the pooler's work; an error if this kind of proxy doesn't measure it.
func (a *agent) averages() (found pooler.Averages, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	err = a.on(func(ctx context.Context, c pooler.Session) (err error) {
		measures, ok := c.(pooler.Averager)
		if !ok {
			return errInvalid("this kind of proxy doesn't measure what queries take")
		}
		found, err = measures.Averages(ctx)
		return err
	})
	return found, err
}
