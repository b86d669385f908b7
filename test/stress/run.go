package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/stress/plan"
)

// run of all fleets.
type run struct {
	options options
	stage   *cluster.Stage
	env     *testenv.Environment
	history *history
	parts   parts
	began   time.Time

	mu      sync.Mutex
	tenants []*tenant
	faults  map[plan.Fault]int
	moves   map[plan.Move]int
}

// stress a running stage. It leaves the stage as it was, but for Gitover, which it installs.
// The report and the history are written whatever happens.
func stress(ctx context.Context, stage *cluster.Stage, checkout string, o options, show func(string)) error {
	if o.install {
		if err := install(ctx, stage, checkout); err != nil {
			return err
		}
	}
	r := &run{options: o, stage: stage, history: newHistory(show), faults: map[plan.Fault]int{}, moves: map[plan.Move]int{}, began: time.Now()}
	var err error
	// the waits' own lines are many, and say no more than the history
	if r.env, err = testenv.New(testenv.StageOf(stage, checkout), func(string, ...any) {}); err != nil {
		return err
	}
	clones, remove, err := temporary()
	if err != nil {
		return err
	}
	defer remove()
	r.history.add(surroundings, "seed %d, %d fleets, %v", o.seed, o.fleets, o.duration)
	err = r.all(ctx, clones)
	report := r.report(checkout, err)
	show(report.table())
	err = errors.Join(err, report.write(o.dir, r.history), report.judge())
	return errors.Join(err, r.leave(context.WithoutCancel(ctx)))
}

// install what is in the checkout.
func install(ctx context.Context, stage *cluster.Stage, checkout string) error {
	if err := stage.LoadImages(ctx, images); err != nil {
		return err
	}
	if _, err := stage.LoadGitover(ctx); err != nil {
		return err
	}
	w, err := testenv.New(testenv.StageOf(stage, checkout), func(string, ...any) {})
	if err != nil {
		return err
	}
	return w.Install(ctx)
}

// all fleets side by side; the first failure ends all.
func (r *run) all(ctx context.Context, clones string) error {
	creating, creatingCtx := errgroup.WithContext(ctx)
	for i := range r.options.fleets {
		creating.Go(func() error { _, err := r.create(creatingCtx, i, clones); return err })
	}
	if err := creating.Wait(); err != nil {
		return err
	}
	r.began = time.Now()
	r.history.add(surroundings, "all databases serve")
	group, running := errgroup.WithContext(ctx)
	for _, t := range r.tenants {
		group.Go(func() error { return t.stress(running, r.began.Add(r.options.duration)) })
	}
	return group.Wait()
}

func (r *run) addTenant(t *tenant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tenants = append(r.tenants, t)
}

func (r *run) struck(fault plan.Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[fault]++
}

func (r *run) moved(move plan.Move) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moves[move]++
}

// leave the stage in order.
func (r *run) leave(ctx context.Context) error {
	var leaving errgroup.Group
	for _, t := range r.tenants {
		leaving.Go(func() error { return t.leave(ctx, r.options.keep) })
	}
	return leaving.Wait()
}
