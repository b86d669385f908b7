package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gitover/gitover/test/cluster/layout"
)

// restartDelay keeps a component that can't start from spinning.
const restartDelay = 500 * time.Millisecond

// process keeps one component running until it is told to stop.
type process struct {
	component component
	config    Config

	mu      sync.Mutex
	command *exec.Cmd
	wanted  bool          // false: somebody stopped it on purpose
	changed chan struct{} // closed and renewed when wanted changes
}

func newProcess(c component, config Config) *process {
	return &process{component: c, config: config, wanted: true, changed: make(chan struct{})}
}

// keep runs the component again and again until ctx ends.
func (p *process) keep(ctx context.Context) {
	if p.component.needs != nil {
		if err := until(ctx, p.component.needs(p.config)); err != nil {
			return
		}
	}
	for ctx.Err() == nil {
		if err := p.awaitWanted(ctx); err != nil {
			return
		}
		err := p.once()
		fmt.Printf("%s %s ended: %v\n", time.Now().Format(time.TimeOnly), p.component.name, err)
		select {
		case <-ctx.Done():
		case <-time.After(restartDelay):
		}
	}
}

func (p *process) awaitWanted(ctx context.Context) error {
	for {
		p.mu.Lock()
		wanted, changed := p.wanted, p.changed
		p.mu.Unlock()
		if wanted {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// once runs the component to its end. Its log is appended to.
func (p *process) once() error {
	path := filepath.Join(layout.NodeLogs, p.component.name+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	args := p.component.args(p.config)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "GOGC=60")
	p.mu.Lock()
	if !p.wanted {
		p.mu.Unlock()
		return nil
	}
	err = cmd.Start()
	p.command = cmd
	p.mu.Unlock()
	if err != nil {
		return err
	}
	fmt.Printf("%s %s started\n", time.Now().Format(time.TimeOnly), p.component.name)
	err = cmd.Wait()
	p.mu.Lock()
	p.command = nil
	p.mu.Unlock()
	return err
}

// Actions on a component.
const (
	ActionKill   = "kill"   // SIGKILL; the supervisor starts it again
	ActionPause  = "pause"  // SIGSTOP
	ActionResume = "resume" // SIGCONT
	ActionStop   = "stop"   // SIGKILL, and stay down
	ActionStart  = "start"  // after stop
)

func (p *process) act(action string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch action {
	case ActionKill:
		return p.signal(syscall.SIGKILL)
	case ActionPause:
		return p.signal(syscall.SIGSTOP)
	case ActionResume:
		return p.signal(syscall.SIGCONT)
	case ActionStop:
		p.want(false)
		if err := p.signal(syscall.SIGKILL); !errors.Is(err, errNotRunning) {
			return err
		}
		return nil
	case ActionStart:
		p.want(true)
		return nil
	}
	return fmt.Errorf("no action is called %q", action)
}

func (p *process) want(wanted bool) {
	p.wanted = wanted
	close(p.changed)
	p.changed = make(chan struct{})
}

var errNotRunning = errors.New("it is not running")

func (p *process) signal(signal syscall.Signal) error {
	if p.command == nil || p.command.Process == nil {
		return errNotRunning
	}
	return p.command.Process.Signal(signal)
}
