package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler"
)

// longestHold is the largest limit that a PgProxy's spec allows.
const longestHold = time.Minute

// keepInterval is how often a held pooler is checked: a pooler that restarted is held again.
const keepInterval = 100 * time.Millisecond

// holdRecord is an agent's knowledge of a switch, as in its state file.
type holdRecord struct {
	SwitchID string             `json:"switchID,omitempty"`
	From     protocol.Target    `json:"from"`
	To       protocol.Target    `json:"to"`
	Phase    protocol.HoldPhase `json:"phase,omitempty"`
	Since    uptime             `json:"sinceUptime,omitempty"`
	Limit    time.Duration      `json:"limit,omitempty"`
	Margin   time.Duration      `json:"margin,omitempty"`
	// Joined: no controller told this agent to hold; it follows the register.
	Joined bool `json:"joined,omitempty"`
}

// hold is a switch at one pooler. Each channel is closed once: entered when no statement begins any more, held when none
// runs, controllerGone once the controller is gone. ctx ends when clients were released for good.
type hold struct {
	holdRecord
	entered, held, controllerGone chan struct{}
	// pauser is the warm session for the pause, which keeps it busy.
	pauser    pooler.Session
	registers warmRegisters
	ctx       context.Context
	end       context.CancelFunc
}

func newHold(life context.Context, r holdRecord) *hold {
	h := &hold{holdRecord: r, entered: make(chan struct{}), held: make(chan struct{}), controllerGone: make(chan struct{})}
	h.ctx, h.end = context.WithCancel(life)
	return h
}

func done(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func finish(c chan struct{}) {
	if !done(c) {
		close(c)
	}
}

// stage announces a switch.
func (a *agent) stage(r protocol.StageRequest) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.hold
	switch {
	case r.SwitchID == "" || !usable(r.From) || !usable(r.To):
		return errInvalid("a stage request needs a switch id and two targets")
	case h.SwitchID == r.SwitchID && h.Phase.Settled():
		return a.stale("switch %s is over here: %s", r.SwitchID, h.Phase)
	case h.SwitchID == r.SwitchID && h.Phase != protocol.PhaseStaged:
		return nil
	case h.Phase.Paused():
		return a.stale("clients are held for switch %s", h.SwitchID)
	case a.target.Host != r.From.Host || a.target.Port != r.From.Port:
		return a.stale("the pooler leads to %s:%d, not to the old side", a.target.Host, a.target.Port)
	}
	err := a.lookUp(r.To) // the flip waits for no DNS, and an address of days ago may be another server's by now
	var content []byte
	if err == nil {
		content, err = a.render(r.To)
	}
	if err != nil {
		return errInvalid(err.Error())
	}
	if err := pooler.Prepare(a.o.TargetFile, content); err != nil {
		return fmt.Errorf("prepare the target file: %w", err)
	}
	h.end()
	a.hold = newHold(a.life, holdRecord{SwitchID: r.SwitchID, From: r.From, To: r.To})
	a.enter(a.hold, protocol.PhaseStaged)
	a.warmRegisters(a.hold)
	return a.warm(a.hold)
}

// warm opens the sessions that a hold will need, and a second one for the pause, which keeps it busy. The
// caller holds mu.
func (a *agent) warm(h *hold) error {
	err := a.on(func(ctx context.Context, c pooler.Session) error {
		if err := c.Rehearse(ctx); err != nil {
			return err
		}
		_, _, err := c.Paused(ctx)
		return err
	})
	var wrong *pooler.NotLedError
	if errors.As(err, &wrong) {
		return &protocol.ReloadError{Pooler: a.o.Name, Message: wrong.Message}
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(h.ctx, consoleTimeout)
	defer cancel()
	console, err := a.o.Driver.Connect(ctx)
	if err != nil {
		return err
	}
	h.pauser = console
	context.AfterFunc(h.ctx, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if h.pauser != nil {
			h.pauser.Close(a.life)
			h.pauser = nil
		}
	})
	return nil
}

// beginHold starts the hold of a staged switch, or finds it.
func (a *agent) beginHold(r protocol.HoldRequest) (*hold, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.hold
	switch {
	case h.SwitchID != r.SwitchID || h.Phase == protocol.PhaseNone || h.Phase.Settled():
		return nil, a.stale("switch %s is not staged here", r.SwitchID)
	case r.Limit() <= r.Margin() || r.Margin() <= 0 || r.Limit() > longestHold:
		return nil, errInvalid("a hold needs a limit of at most a minute, and a margin below it")
	case h.Phase.Paused():
		return h, nil
	}
	if h.Phase == protocol.PhaseReleased {
		h.end()
		h = newHold(a.life, h.holdRecord)
		a.hold = h
	}
	h.Since, h.Limit, h.Margin = now(), r.Limit(), r.Margin()
	return h, a.startHold(h)
}

// startHold pauses the pooler and starts the two tasks of the hold: one keeps it paused, one
// ends it when the controller is silent. The caller holds mu.
func (a *agent) startHold(h *hold) error {
	if !h.Phase.Paused() {
		a.enter(h, protocol.PhaseHolding)
	}
	drained, err := a.pause(h)
	if err != nil && !h.Joined {
		// the PAUSE may have arrived nevertheless, and the switch may go forward
		a.enter(h, protocol.PhaseReleased)
		a.tasks.Go(func() { a.releaseUntilDone(h) })
		a.tasks.Go(func() { a.watch(h) })
		return err
	}
	if err == nil {
		finish(h.entered)
	}
	a.tasks.Go(func() { a.maintainHold(h, drained) })
	a.tasks.Go(func() { a.watch(h) })
	return nil
}

// pause holds clients by a session of its own and returns when the pooler is paused; the
// channel tells when no server connection is in use. The caller holds mu.
func (a *agent) pause(h *hold) (<-chan error, error) {
	ctx, cancel := context.WithTimeout(a.life, consoleTimeout)
	defer cancel()
	console := h.pauser
	h.pauser = nil
	if console == nil || !console.Alive() {
		var err error
		if console, err = a.o.Driver.Connect(ctx); err != nil {
			return nil, err
		}
	}
	drained := make(chan error, 1)
	a.tasks.Go(func() {
		drained <- console.Pause(h.ctx)
		console.Close(h.ctx)
	})
	for {
		var paused bool
		err := a.on(func(ctx context.Context, c pooler.Session) (err error) {
			paused, _, err = c.Paused(ctx)
			return err
		})
		if err != nil || paused {
			return drained, err
		}
		select {
		case err := <-drained:
			if err != nil {
				return nil, err
			}
			drained <- nil
		case <-time.After(200 * time.Microsecond):
		}
		if ctx.Err() != nil {
			return nil, errors.New("the pooler did not pause")
		}
	}
}

// maintainHold runs for the whole hold: it tells when no statement runs any more, and pauses
// the pooler again if it was restarted, or resumed from another console.
func (a *agent) maintainHold(h *hold, drained <-chan error) {
	tick := time.NewTicker(keepInterval)
	defer tick.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case err := <-drained:
			drained = nil
			if err == nil && a.looksDrained(h) {
				continue
			}
		case <-tick.C:
			if again := a.pauseAgain(h); again != nil {
				drained = again
			} else if drained == nil {
				a.looksDrained(h)
			}
		}
	}
}

// looksDrained declares the hold complete once no server connection is in use.
func (a *agent) looksDrained(h *hold) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if done(h.held) || !h.Phase.Paused() {
		return true
	}
	busy := 1
	err := a.on(func(ctx context.Context, c pooler.Session) error {
		load, err := c.Load(ctx)
		busy = load.Busy
		return err
	})
	if err != nil || busy > 0 {
		return false
	}
	if h.Phase == protocol.PhaseHolding {
		a.enter(h, protocol.PhaseHeld)
	}
	finish(h.held)
	return true
}

// pauseAgain pauses a pooler that should be paused and is not.
func (a *agent) pauseAgain(h *hold) <-chan error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !h.Phase.Paused() || a.hold != h {
		return nil
	}
	var paused bool
	err := a.on(func(ctx context.Context, c pooler.Session) (err error) {
		paused, _, err = c.Paused(ctx)
		return err
	})
	if err != nil || paused {
		return nil
	}
	drained, err := a.pause(h)
	if err != nil {
		a.o.Log.Warn("holding the pooler again failed", "switch", h.SwitchID, "error", err)
		return nil
	}
	finish(h.entered)
	return drained
}
