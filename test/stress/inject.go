package main

import (
	"context"
	"fmt"
	"time"

	"github.com/gitover/gitover/test/cluster/chaos"
	"github.com/gitover/gitover/test/stress/plan"
)

const (
	// injectPatience with a victim that isn't there at the moment: it may just be starting.
	injectPatience = 3 * time.Second
	// healPatience with a heal; it needs an API server that answers.
	healPatience = 90 * time.Second
	// phaseLook is how often a switch's phase is looked at by what waits to inject a fault.
	phaseLook = 20 * time.Millisecond
)

// inject the fault at the planned moment and heal what lasts, also when ctx ends. pushed is closed when
// the move was pushed, over when it came to its end. Only a heal that fails is an error.
func (t *tenant) inject(ctx context.Context, a plan.Action, s plan.Injection, pushed, over <-chan struct{}) error {
	if !t.awaitMoment(ctx, s, pushed, over) {
		if ctx.Err() == nil {
			t.history.add(t.number, "missed: %s", s)
		}
		return nil
	}
	injector := injectors[s.Fault]
	unlock := t.run.parts.disturb(injector.part)
	defer unlock()
	heal, err := t.land(ctx, injector, a)
	if err != nil {
		t.history.add(t.number, "no chance to %s: %v", s.Fault, err)
		return nil
	}
	where := t.number
	if injector.part != ownPart {
		where = surroundings
	}
	t.history.add(where, "injects: %s", s)
	t.run.struck(s.Fault)
	if heal == nil {
		return nil
	}
	wait(ctx, s.Lasts)
	if err := t.heal(context.WithoutCancel(ctx), heal); err != nil {
		return fmt.Errorf("%s could not be healed: %w", s.Fault, err)
	}
	t.history.add(where, "healed: %s", s.Fault)
	return nil
}

// land the injector as soon as its victim is there.
func (t *tenant) land(ctx context.Context, i injector, a plan.Action) (heal chaos.Heal, err error) {
	for begun := time.Now(); ctx.Err() == nil; {
		if heal, err = i.inject(ctx, t, a); err == nil || time.Since(begun) > injectPatience {
			return heal, err
		}
		wait(ctx, 100*time.Millisecond)
	}
	return nil, ctx.Err()
}

func (t *tenant) heal(ctx context.Context, heal chaos.Heal) error {
	ctx, cancel := context.WithTimeout(ctx, healPatience)
	defer cancel()
	for {
		err := heal(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		wait(ctx, 500*time.Millisecond)
	}
}

// awaitMoment says whether it came. A moment after the push always comes, even when the
// move is over by then; a phase may be missed.
func (t *tenant) awaitMoment(ctx context.Context, s plan.Injection, pushed, over <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return false
	case <-pushed:
	}
	if s.At == plan.Pushed {
		return wait(ctx, s.Delay)
	}
	tick := time.NewTicker(phaseLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-over:
			return false
		case <-tick.C:
		}
		p, err := t.app.Proxy(ctx)
		if err == nil && p.Status.Switch != nil && p.Status.Switch.Phase == string(s.At) {
			return wait(ctx, s.Delay)
		}
	}
}

// wait for a planned time; false when ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
