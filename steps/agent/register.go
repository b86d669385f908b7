package agent

import (
	"context"
	"sync"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// warmRegisters are a hold's sessions in the registers of both sides, by instance: when the controller is gone, a login on a
// busy machine may take longer than clients should wait.
type warmRegisters struct {
	mu sync.Mutex
	// idle is nil before the first session is kept, and when the hold is over.
	idle map[string]*fence.Register
}

// take the session in a register; nil if there is none.
func (w *warmRegisters) take(instance string) *fence.Register {
	w.mu.Lock()
	defer w.mu.Unlock()
	register := w.idle[instance]
	delete(w.idle, instance)
	return register
}

func (w *warmRegisters) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = map[string]*fence.Register{}
}

// keep a session until it is taken or the hold is over.
func (w *warmRegisters) keep(ctx context.Context, instance string, register *fence.Register) {
	w.mu.Lock()
	surplus := register
	if w.idle != nil {
		surplus = w.idle[instance]
		w.idle[instance] = register
	}
	w.mu.Unlock()
	if surplus != nil {
		surplus.Close(ctx)
	}
}

func (w *warmRegisters) end(ctx context.Context) {
	w.mu.Lock()
	idle := w.idle
	w.idle = nil
	w.mu.Unlock()
	for _, register := range idle {
		register.Close(ctx)
	}
}

// warmRegisters logs in before a hold. A side that can't be reached now is tried again when it is needed.
func (a *agent) warmRegisters(h *hold) {
	h.registers.begin()
	context.AfterFunc(h.ctx, func() { h.registers.end(a.life) })
	for _, t := range []protocol.Target{h.From, h.To} {
		a.tasks.Go(func() {
			ctx, cancel := context.WithTimeout(h.ctx, consoleTimeout)
			defer cancel()
			register, err := a.register(ctx, t)
			if err != nil {
				a.o.Log.Warn("the register can't be reached ahead of the hold", "switch", h.SwitchID, "instance", t.Instance, "error", err)
				return
			}
			h.registers.keep(ctx, t.Instance, register)
		})
	}
}

// atRegister runs do in a side's register, in a warm session if one still works. do may run twice.
func (a *agent) atRegister(ctx context.Context, h *hold, t protocol.Target, do func(*fence.Register) error) error {
	if warm := h.registers.take(t.Instance); warm != nil {
		if err := do(warm); err == nil {
			h.registers.keep(ctx, t.Instance, warm)
			return nil
		}
		warm.Close(ctx)
	}
	register, err := a.register(ctx, t)
	if err != nil {
		return err
	}
	if err := do(register); err != nil {
		register.Close(ctx)
		return err
	}
	h.registers.keep(ctx, t.Instance, register)
	return nil
}
