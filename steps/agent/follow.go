package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// verifyInterval is how often a pooler that did not confirm its target is asked again, and how
// often one that a late request led elsewhere is led back.
const verifyInterval = time.Second

// start writes the pooler's file before PgBouncer may start: from the source, or, if that
// can't be reached, from the file that an earlier container left. While a switch holds
// traffic, a new pooler waits for the decision, and a pooler whose agent restarted is held
// again.
func (a *agent) start(ctx context.Context, changes <-chan Active) error {
	left, known := a.recall()
	var wait <-chan time.Time
	if known {
		wait = time.After(a.o.SourceWait)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case active := <-changes:
		a.active, a.seen = active, true
	case <-wait:
		a.o.Log.Warn("PgProxy can't be read; using the target that was written before", "instance", left.Target.Instance)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if known {
		a.target = left.Target
	}
	switch {
	case known && left.Hold.Phase.Paused():
		a.hold = newHold(a.life, left.Hold)
		a.hold.Since = left.Hold.Since.sinceThisBoot()
		if err := a.startHold(a.hold); err != nil {
			a.o.Log.Warn("holding the pooler again failed", "switch", a.hold.SwitchID, "error", err)
		}
	case known && left.Hold.SwitchID != "":
		a.hold = newHold(a.life, left.Hold)
		if left.Hold.Phase == protocol.PhaseReleased {
			h := a.hold
			a.tasks.Go(func() { a.watch(h) })
		}
	}
	if !a.seen {
		a.started = true
		return nil
	}
	if !known {
		if s := a.active.Switch; s != nil && s.Holding {
			a.mu.Unlock()
			target := a.awaitDecision(ctx, a.active)
			a.mu.Lock()
			a.active.Target = target
			a.hold = newHold(a.life, holdRecord{SwitchID: s.ID, Phase: protocol.PhaseForward, To: target})
			a.hold.end()
		}
	}
	a.reconcile()
	return nil
}

// recall reads the state that an earlier container left.
func (a *agent) recall() (stateFile, bool) {
	var s stateFile
	content, err := os.ReadFile(a.o.StateFile)
	if err != nil || json.Unmarshal(content, &s) != nil || !usable(s.Target) {
		return stateFile{}, false
	}
	_, err = os.Stat(a.o.TargetFile)
	return s, err == nil
}

// awaitDecision returns the target of a pooler that is about to start. It waits for the
// decision in the register until the hold's limit, and then decides as every agent does.
func (a *agent) awaitDecision(ctx context.Context, active Active) protocol.Target {
	h := newHold(ctx, holdRecord{SwitchID: active.Switch.ID, From: active.Target, To: active.Switch.To})
	defer h.end()
	limits := active.Switch.Limits.WithDefaults()
	begun := time.Now()
	look := time.NewTicker(joinedPoll)
	defer look.Stop()
	for {
		waited := time.Since(begun)
		asking, cancel := context.WithTimeout(ctx, registerTimeout)
		verdict, err := a.ask(asking, h, waited > limits.Hold-limits.Margin)
		decision := verdict.Decision
		if err == nil && decision == fence.Commit {
			err = a.openNewSide(asking, h, verdict.Key)
		}
		cancel()
		switch {
		case decision == fence.Commit && (err == nil || waited > limits.Hold):
			return h.To
		case err == nil && decision != fence.Open && decision != fence.Commit, waited > limits.Hold:
			return h.From
		}
		select {
		case <-ctx.Done():
			return h.From
		case <-look.C:
		}
	}
}

// run follows the source from then on.
func (a *agent) run(ctx context.Context, changes <-chan Active) error {
	tick := time.NewTicker(verifyInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case active := <-changes:
			a.mu.Lock()
			a.active, a.seen = active, true
			a.reconcile()
			a.mu.Unlock()
		case <-tick.C:
			a.followAddress(ctx)
			a.mu.Lock()
			a.reconcile()
			a.mu.Unlock()
		}
	}
}

// followAddress has reconcile lead to the target again if its name has another address now.
func (a *agent) followAddress(ctx context.Context) {
	a.mu.Lock()
	target := a.target
	a.mu.Unlock()
	if !usable(target) {
		return
	}
	looking, cancel := context.WithTimeout(ctx, verifyInterval)
	defer cancel()
	if moved, err := a.o.Driver.Moved(looking, poolerTarget(target)); err != nil || !moved {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if sameTarget(a.target, target) {
		a.moved, a.verified = true, false
	}
}

// reconcile makes the pooler lead where PgProxy says, unless a switch in progress takes
// precedence. The caller holds mu.
func (a *agent) reconcile() {
	defer func() { a.started = a.started || usable(a.target) }()
	if !a.seen || !usable(a.active.Target) || a.hold.Phase.Paused() {
		return
	}
	s := a.active.Switch
	if s != nil && s.Holding && s.ID != a.hold.SwitchID {
		a.join(*s)
		return
	}
	want := a.wanted()
	if a.verified && sameTarget(a.target, want) {
		return
	}
	left := a.target
	var err error
	if !sameTarget(a.target, want) {
		_ = a.lookUp(want) // what was known stays
		err = a.writeFile(want)
	} else if a.moved {
		err = a.writeFile(want)
	}
	if err == nil {
		err = a.reload(want, left)
	}
	a.verified = err == nil
	if err != nil {
		a.o.Log.Warn("the pooler did not confirm its target", "instance", want.Instance, "error", err)
	}
}

// writeFile writes the file, also while PgBouncer does not run.
func (a *agent) writeFile(t protocol.Target) error {
	content, err := a.render(t)
	if err == nil {
		err = pooler.Write(a.o.TargetFile, content)
	}
	if err != nil {
		return fmt.Errorf("write the target file: %w", err)
	}
	a.target, a.verified, a.moved = t, false, false
	return a.persist()
}

// wanted is the active instance, or the target of the last switch while PgProxy still shows
// that switch: its status is written after the stall.
func (a *agent) wanted() protocol.Target {
	active, h := a.active, a.hold
	if active.Switch == nil || active.Switch.ID != h.SwitchID {
		return active.Target
	}
	switch h.Phase {
	case protocol.PhaseForward:
		return h.To
	case protocol.PhaseReleased:
		return a.target
	default:
		return active.Target
	}
}

// join takes part in a switch that no controller announced here: this pooler started while the
// switch was prepared. The caller holds mu.
func (a *agent) join(s ActiveSwitch) {
	a.o.Log.Info("joining a switch in progress", "switch", s.ID)
	a.hold.end()
	from := a.target
	if !usable(from) {
		from = a.active.Target
	}
	limits := s.Limits.WithDefaults()
	a.hold = newHold(a.life, holdRecord{
		SwitchID: s.ID, From: from, To: s.To, Since: now(),
		Limit: limits.Hold, Margin: limits.Margin, Joined: true,
	})
	if err := a.startHold(a.hold); err != nil {
		a.o.Log.Warn("holding the pooler failed", "switch", s.ID, "error", err)
	}
}
