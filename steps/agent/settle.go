package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

const (
	registerTimeout = 1500 * time.Millisecond
	registerPause   = 100 * time.Millisecond
	joinedPoll      = 250 * time.Millisecond
	releasedPoll    = time.Second
	// leastReserve of a hold's limit is kept for releasing clients.
	leastReserve = 300 * time.Millisecond
)

// left of the hold's limit. A tenth is kept for releasing clients, since the machine may be
// busy.
func (h *hold) left() time.Duration { return h.Since.until(h.Limit - max(leastReserve, h.Limit/10)) }

// watch ends a hold whose controller is gone or silent. At once, or from limit-margin on, it asks the
// register and follows the decision there. At the limit it releases clients to wherever the pooler leads,
// which the fences make harmless, and continues to ask. In a hold that the agent joined by itself it asks
// from the beginning, without deciding.
func (a *agent) watch(h *hold) {
	a.tasks.Go(func() { a.releaseAtLimit(h) })
	act := time.NewTimer(h.Since.until(h.Limit - h.Margin))
	defer act.Stop()
	look := time.NewTicker(joinedPoll)
	defer look.Stop()
	deciding, controllerGone := false, h.controllerGone
	if !h.Joined {
		look.Stop()
	} else if a.look(h, deciding) {
		return
	}
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-controllerGone:
			deciding, controllerGone = true, nil
			a.o.Log.Warn("the controller is gone; asking the register for the decision", "switch", h.SwitchID)
			look.Reset(registerPause)
		case <-act.C:
			deciding = true
			a.o.Log.Warn("the controller is silent; asking the register for the decision", "switch", h.SwitchID)
			look.Reset(registerPause)
		case <-look.C:
			if h.late() {
				look.Reset(releasedPoll)
			}
		}
		if a.look(h, deciding) {
			return
		}
	}
}

// releaseAtLimit releases clients when the limit is over, also while a query of the register
// runs: if the network drops packets, each query takes as long as its timeout.
func (a *agent) releaseAtLimit(h *hold) {
	limit := time.NewTimer(h.left())
	defer limit.Stop()
	select {
	case <-h.ctx.Done():
	case <-limit.C:
		a.releaseUntilDone(h)
	}
}

// releaseUntilDone releases clients, however often that has to be tried.
func (a *agent) releaseUntilDone(h *hold) {
	again := time.NewTicker(keepInterval)
	defer again.Stop()
	err := a.release(h)
	if err != nil {
		a.o.Log.Error("releasing clients failed; trying again until it is done", "switch", h.SwitchID, "error", err)
	}
	for err != nil {
		select {
		case <-h.ctx.Done():
			return
		case <-again.C:
			err = a.release(h)
		}
	}
}

// late: the limit is over.
func (h *hold) late() bool { return h.left() <= 0 }

// look is follow within a bounded time.
func (a *agent) look(h *hold, decide bool) bool {
	ctx, cancel := context.WithTimeout(h.ctx, registerTimeout)
	defer cancel()
	return a.follow(ctx, h, decide)
}

// follow does what the register says about a switch, and reports whether that ended it. With
// decide it aborts an undecided switch.
func (a *agent) follow(ctx context.Context, h *hold, decide bool) bool {
	verdict, err := a.ask(ctx, h, decide)
	if err != nil {
		a.o.Log.Warn("the register of the old side does not answer", "switch", h.SwitchID, "error", err)
		return false
	}
	switch verdict.Decision {
	case fence.Open:
		return false
	case fence.Commit:
		if err := a.openNewSide(ctx, h, verdict.Key); err != nil {
			a.o.Log.Warn("the new side could not be opened", "switch", h.SwitchID, "error", err)
			if !h.late() {
				return false
			}
		}
		err = a.goForward(h)
	default:
		err = a.goBack(h)
	}
	if err != nil {
		a.o.Log.Error("releasing clients failed", "switch", h.SwitchID, "decision", string(verdict.Decision), "error", err)
	}
	return err == nil
}

func (a *agent) ask(ctx context.Context, h *hold, decide bool) (fence.Verdict, error) {
	var verdict fence.Verdict
	err := a.atRegister(ctx, h, h.From, func(register *fence.Register) (err error) {
		if decide {
			verdict, err = register.Abort(ctx, h.SwitchID, "agent "+a.o.Name)
		} else {
			verdict, err = register.State(ctx, h.SwitchID)
		}
		return err
	})
	return verdict, err
}

// openNewSide lifts the new side's fence with the key that the old one gave.
func (a *agent) openNewSide(ctx context.Context, h *hold, key postgres.Password) error {
	return a.atRegister(ctx, h, h.To, func(register *fence.Register) error {
		state, err := register.Unfence(ctx, h.SwitchID, "agent "+a.o.Name, key)
		if err == nil && state != "opened" {
			return fmt.Errorf("the incoming switch of %s is %q", h.To.Instance, state)
		}
		return err
	})
}

// goForward leads clients to the new side and releases them.
func (a *agent) goForward(h *hold) error { return a.letGo(h, h.To, protocol.PhaseForward) }

// goBack leads clients to the old side and releases them.
func (a *agent) goBack(h *hold) error { return a.letGo(h, h.From, protocol.PhaseBack) }

func (a *agent) letGo(h *hold, to protocol.Target, phase protocol.HoldPhase) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hold != h || h.Phase == phase {
		return nil
	}
	if a.target.Host != to.Host || a.target.Port != to.Port {
		if err := a.applyTarget(to, false); err != nil {
			return err
		}
	}
	return a.resolve(h, phase)
}

// release releases clients without knowing the decision. No error means that it is done, or no
// longer necessary.
func (a *agent) release(h *hold) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.hold != h || !h.Phase.Paused() && h.Phase != protocol.PhaseReleased {
		return nil
	}
	if h.Phase.Paused() {
		a.enter(h, protocol.PhaseReleased) // from here on the pooler is not paused again
		a.o.Log.Error("the limit of the hold is over and the decision is not known: releasing clients to where the pooler leads",
			"switch", h.SwitchID, "instance", a.target.Instance, "heldMilliseconds", h.heldMilliseconds())
	}
	if err := a.resume(); err != nil {
		return err
	}
	// a pause that the pooler was slow to begin may come after the resume
	return a.on(func(ctx context.Context, c pooler.Session) error {
		_, paused, err := c.Paused(ctx)
		if err == nil && paused {
			err = errors.New("the pooler is paused again")
		}
		return err
	})
}

// heldMilliseconds since the hold began, also if the agent restarted meanwhile.
func (h *hold) heldMilliseconds() int64 { return time.Duration(now() - h.Since).Milliseconds() }

// resolve resumes the pooler and ends the hold. The caller holds mu.
func (a *agent) resolve(h *hold, phase protocol.HoldPhase) error {
	before := h.Phase
	h.Phase = phase
	if err := a.resume(); err != nil {
		h.Phase = before
		return err
	}
	a.enter(h, phase)
	h.end()
	if before.Paused() {
		a.o.Log.Info("clients continue", "switch", h.SwitchID, "phase", string(phase), "instance", a.target.Instance, "heldMilliseconds", h.heldMilliseconds())
	}
	return nil
}

// flip leads held clients to the new side.
func (a *agent) flip(id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.hold
	switch {
	case h.SwitchID != id:
		return a.stale("switch %s is not the one here", id)
	case h.Phase == protocol.PhaseFlipped || h.Phase == protocol.PhaseForward:
		return nil
	case h.Phase != protocol.PhaseHeld && h.Phase != protocol.PhaseReleased:
		return a.stale("clients are not held for switch %s: %s", id, h.Phase)
	}
	if err := a.applyTarget(h.To, h.Phase == protocol.PhaseHeld); err != nil {
		return err
	}
	if h.Phase == protocol.PhaseHeld {
		a.enter(h, protocol.PhaseFlipped)
	}
	return nil
}

// forward is the controller's resume on the new side.
func (a *agent) forward(id string) error {
	a.mu.Lock()
	h := a.hold
	err := error(nil)
	switch {
	case h.SwitchID != id:
		err = a.stale("switch %s is not the one here", id)
	case h.Phase == protocol.PhaseForward:
	case h.Phase == protocol.PhaseFlipped, h.Phase == protocol.PhaseReleased && a.target.Host == h.To.Host && a.target.Port == h.To.Port:
		err = a.resolve(h, protocol.PhaseForward)
	default:
		err = a.stale("the pooler was not led to the new side of switch %s: %s", id, h.Phase)
	}
	a.mu.Unlock()
	return err
}

// abort is the controller's resume on the old side.
func (a *agent) abort(id string) error {
	a.mu.Lock()
	h := a.hold
	switch {
	case h.SwitchID != id || h.Phase == protocol.PhaseNone || h.Phase == protocol.PhaseBack:
		a.mu.Unlock()
		return nil
	case h.Phase == protocol.PhaseForward:
		a.mu.Unlock()
		return a.stale("switch %s went forward here", id)
	case h.Phase == protocol.PhaseStaged:
		a.enter(h, protocol.PhaseBack)
		h.end()
		a.mu.Unlock()
		return nil
	}
	a.mu.Unlock()
	return a.goBack(h)
}
