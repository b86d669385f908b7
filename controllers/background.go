package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/logs"
	"github.com/gitover/gitover/internal/crash"
	"github.com/gitover/gitover/steps"
)

const (
	// effectMoment is how long a look waits for an effect that it has begun: most end within it.
	effectMoment = time.Second
	// effectEnd is how long a canceled effect may take to end: its statements are canceled, too.
	effectEnd = 10 * time.Second
	// effectsAtOnce bounds sessions and memory. Further effects wait for their turn, while their upgrades are still
	// looked at.
	effectsAtOnce = 20
)

// background runs the effects that may take hours, at most one for each upgrade. Each has a goroutine of its own, so that
// looks still see what Git says, a lost slot, and WAL that piles up. An effect ends when a look doesn't want it any more,
// and when the controller stops. The zero value is ready, but it triggers no look and doesn't stop with a controller.
type background struct {
	mu    sync.Mutex
	under map[types.NamespacedName]*slowEffect
	// turns limits how many effects run; made by the first effect
	turns chan struct{}
	// wake requests a look at an upgrade whose effect is over
	wake  chan event.TypedGenericEvent[*v1alpha1.PgUpgrade]
	all   sync.WaitGroup
	ended bool
}

// slowEffect is one that is running.
type slowEffect struct {
	// name of the step, with its run and the generation of the spec
	name    string
	run     string
	attempt int32
	cancel  context.CancelFunc
	over    chan struct{}
	// err once it is over
	err error

	mu sync.Mutex
	// told: the last change of the status that no look has made yet
	told func(*v1alpha1.PgUpgradeStatus)
}

// tell keeps a change of the status for the next look. It replaces an earlier change that no look
// has made yet.
func (e *slowEffect) tell(change func(*v1alpha1.PgUpgradeStatus)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.told = change
}

// show makes the change that was told, unless it is of an earlier attempt.
func (e *slowEffect) show(status *v1alpha1.PgUpgradeStatus) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.told != nil && status.Run == e.run && status.Attempt == e.attempt {
		e.told(status)
	}
	e.told = nil
}

// errEnded: the controller stops.
var errEnded = errors.New("the controller stops")

// of returns the effect of an upgrade that has the name, and begins it by do if there is none. An effect with another
// name must have ended before.
func (b *background) of(ctx context.Context, upgrade *v1alpha1.PgUpgrade, name string, do func(context.Context, *slowEffect) error) (*slowEffect, error) {
	key := client.ObjectKeyFromObject(upgrade)
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.under[key]; e != nil {
		if e.name != name {
			return nil, fmt.Errorf("%s goes on, so %s can't begin", e.name, name)
		}
		return e, nil
	}
	if b.ended {
		return nil, errEnded
	}
	if b.under == nil {
		b.under, b.turns = map[types.NamespacedName]*slowEffect{}, make(chan struct{}, effectsAtOnce)
	}
	// it outlives the look that begins it; stop ends it
	working, cancel := context.WithCancel(crash.Scope(context.WithoutCancel(ctx)))
	e := &slowEffect{name: name, run: upgrade.Status.Run, attempt: upgrade.Status.Attempt, cancel: cancel, over: make(chan struct{})}
	b.under[key] = e
	whose := &v1alpha1.PgUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	b.all.Add(1)
	go func() {
		defer b.all.Done()
		e.err = b.inTurn(working, func() error { return do(working, e) })
		close(e.over)
		b.requestLook(working, whose)
	}()
	return e, nil
}

// inTurn runs do once fewer than effectsAtOnce others run.
func (b *background) inTurn(ctx context.Context, do func() error) error {
	select {
	case b.turns <- struct{}{}:
		defer func() { <-b.turns }()
		return do()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// requestLook has the upgrade looked at, unless the effect was canceled: only a look cancels
// one, and it continues by itself.
func (b *background) requestLook(ctx context.Context, upgrade *v1alpha1.PgUpgrade) {
	if b.wake == nil {
		return
	}
	select {
	case b.wake <- event.TypedGenericEvent[*v1alpha1.PgUpgrade]{Object: upgrade}:
	case <-ctx.Done():
	}
}

// take waits a moment for an effect, shows what it told, and says whether it is over, and with which error. An
// effect that is over is then forgotten, so that the next look may begin it again.
func (b *background) take(ctx context.Context, upgrade *v1alpha1.PgUpgrade, e *slowEffect) (over bool, err error) {
	timer := time.NewTimer(effectMoment)
	defer timer.Stop()
	select {
	case <-e.over:
		over = true
	case <-timer.C:
	case <-ctx.Done():
	}
	e.show(&upgrade.Status)
	if !over {
		return false, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.under, client.ObjectKeyFromObject(upgrade))
	e.cancel()
	return true, e.err
}

// goesOn says whether an effect of that name is running.
func (b *background) goesOn(upgrade *v1alpha1.PgUpgrade, name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.under[client.ObjectKeyFromObject(upgrade)]
	return e != nil && e.name == name
}

// show in the status what the effect of an upgrade told since the last look.
func (b *background) show(upgrade *v1alpha1.PgUpgrade) {
	b.mu.Lock()
	e := b.under[client.ObjectKeyFromObject(upgrade)]
	b.mu.Unlock()
	if e != nil {
		e.show(&upgrade.Status)
	}
}

// end the effect of an upgrade, unless it has the name. If it doesn't end in time, that is an error; it is canceled
// nevertheless, and further calls return the error until it has ended.
func (b *background) end(ctx context.Context, upgrade *v1alpha1.PgUpgrade, unless string) error {
	key := client.ObjectKeyFromObject(upgrade)
	b.mu.Lock()
	e := b.under[key]
	b.mu.Unlock()
	if e == nil || e.name == unless {
		return nil
	}
	e.cancel()
	ctx, cancel := context.WithTimeout(ctx, effectEnd)
	defer cancel()
	select {
	case <-e.over:
	case <-ctx.Done():
		return fmt.Errorf("the effect of %s was canceled and has not ended yet", e.name)
	}
	e.show(&upgrade.Status)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.under, key)
	logs.For(ctx, upgrade).Info("an effect ended before it was done", "effect", e.name)
	return nil
}

// stop ends all effects, lets no other begin, and returns when they have ended.
func (b *background) stop() {
	b.mu.Lock()
	b.ended = true
	for _, e := range b.under {
		e.cancel()
	}
	b.mu.Unlock()
	b.all.Wait()
}

// Start stops all effects when the controller stops. It makes background a Runnable of a manager.
func (b *background) Start(ctx context.Context) error {
	<-ctx.Done()
	b.stop()
	return nil
}

// slowly begins an effect that may take hours, or shows its progress. over: it is done.
func (r *UpgradeReconciler) slowly(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed, step *steps.Step, verdict steps.Verdict) (over bool, err error) {
	point, effect := effectOf(upgrade, step, verdict)
	// looks write to their own copy meanwhile
	own, world := upgrade.DeepCopy(), *s
	world.proxy = s.proxy.DeepCopy()
	e, err := r.background.of(ctx, upgrade, slowName(upgrade), func(ctx context.Context, e *slowEffect) error {
		run := r.run(own, &world)
		run.Tell = e.tell
		crash.Before(ctx, point)
		if err := effect(ctx, run); err != nil {
			return err
		}
		crash.After(ctx, point)
		return nil
	})
	if err == nil {
		over, err = r.background.take(ctx, upgrade, e)
	}
	if err != nil || !over {
		return false, err
	}
	return true, r.observeProxy(ctx, upgrade, s)
}

// slowName tells an effect from that of another step, attempt or spec, which begins again.
func slowName(upgrade *v1alpha1.PgUpgrade) string {
	s := upgrade.Status
	name := fmt.Sprintf("step %s of workflow %s, run %s, attempt %d, generation %d", s.Step, s.Workflow, s.Run, s.Attempt, upgrade.Generation)
	if f := s.Failover; f != nil {
		name += fmt.Sprintf(", failover at %s, to copy: %t", f.At.UTC().Format(time.RFC3339), len(f.CopyAgain) > 0)
	}
	return name
}
