package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
	"github.com/gitover/gitover/test/stress/plan"
)

// versions that databases move between.
var versions = []string{"15", "17", "18"}

// images beside those that every stage has.
var images = []string{"postgres-18"}

// tenant is one fleet: its database, its clients, its clone of the repository.
type tenant struct {
	run     *run
	history *history
	number  int
	app     *testenv.App
	// concurrentWriter is somebody else's clone of the same repository.
	concurrentWriter *fleet.Repository
	plan             *plan.Plan
	traffic          *testenv.Traffic
	// asked is the merge that asked for the last version.
	asked string

	checkpoints checkpoints
	checked     time.Time
	begun       time.Time
	lastMade    int
}

// create the tenant's database and let clients write.
func (r *run) create(ctx context.Context, number int, clones string) (*tenant, error) {
	t := &tenant{run: r, history: r.history, number: number, checkpoints: checkpoints{commits: ledgerOfCommits{}, looked: map[string]bool{}}}
	begin := versions[number%len(versions)]
	t.plan = plan.New(plan.Options{Seed: r.options.seed, Fleet: number, Begin: begin, Versions: versions, CheckEvery: r.options.checkEvery, Faults: faultsAmong(r.options.faults)})
	var err error
	clone := func(kind string) string { return fmt.Sprintf("%s/%s-%d", clones, kind, number) }
	if t.app, err = r.env.CreateApp(ctx, testenv.AppOptions{Namespace: fmt.Sprintf("stress-%d", number), Clone: clone("team"), Version: begin, KeepWAL: true, Change: prepare}); err != nil {
		return nil, err
	}
	r.addTenant(t)
	if t.concurrentWriter, err = fleet.Clone(ctx, t.app.Git, clone("concurrentWriter"), fleet.Person{Name: "Grace Stranger", Email: "grace@example.com"}); err != nil {
		return nil, err
	}
	err = inOrder(
		func() error { return t.app.AwaitStatefulSet(ctx, instance(begin), 5*time.Minute) },
		func() error { return t.app.FoundDatabases(ctx, instance(begin)) },
		func() error { return t.app.AwaitEndpoint(ctx, 5*time.Minute) },
		func() error { return t.app.AwaitActive(ctx, 5*time.Minute, instance(begin)) },
		func() error { return t.app.AwaitUpgrade(ctx, 5*time.Minute, "settled", testenv.Settled(begin)) },
	)
	if err != nil {
		return nil, err
	}
	t.traffic, err = t.app.StartTraffic(ctx, ledger.Config{Clients: 6, Rate: r.options.rate, Seed: r.options.seed, Patience: 30 * time.Second})
	t.checked = time.Now()
	return t, err
}

func inOrder(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// prepare the example: fields that the moves change, and no long pauses.
func prepare(file, content string) string {
	switch {
	case strings.HasSuffix(file, "upgrade.yaml"):
		return strings.NewReplacer("  cutover:\n", "  limits:\n    lagStableFor: 1s\n  retry: \"0\"\n  cutover:\n",
			"    finalize: Automatic\n", "    finalize: Automatic\n    finalizedVersion: \"none\"\n").Replace(content)
	case strings.HasSuffix(file, "proxy.yaml"):
		return strings.Replace(content, "    transactionLimit: 5s\n", "    transactionLimit: 5s\n    retryInterval: 3s\n    attempts: 30\n", 1)
	}
	return content
}

// stress it until the time is up, or ctx ends.
func (t *tenant) stress(ctx context.Context, until time.Time) error {
	for {
		a := t.plan.Next()
		if err := t.act(ctx, a); err != nil {
			return t.failure(a, err)
		}
		ends := time.Now().After(until)
		if a.Check || ends {
			if err := t.check(ctx, a); err != nil {
				return t.failure(a, err)
			}
		}
		if ends {
			return nil
		}
	}
}

// act: the move and its injections, side by side.
func (t *tenant) act(ctx context.Context, a plan.Action) error {
	t.history.add(t.number, "%s", a)
	t.begun = time.Now()
	pushed, over := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	injections := make(chan error, len(a.Injections))
	for _, s := range a.Injections {
		go func() { injections <- t.inject(ctx, a, s, pushed, over) }()
	}
	err := t.move(ctx, a, pushed)
	close(over)
	if err != nil {
		cancel() // what was broken is healed all the same
	}
	for range a.Injections {
		err = errors.Join(err, <-injections)
	}
	if err == nil {
		t.checkpoints.commits.expect(a.Move)
		t.run.moved(a.Move)
		t.history.add(t.number, "done: %s after %.1f s", a.Move, time.Since(t.begun).Seconds())
	}
	return err
}

func (t *tenant) move(ctx context.Context, a plan.Action, pushed chan struct{}) error {
	if removes(a) {
		if err := t.witness(ctx); err != nil {
			return err
		}
	}
	if err := t.push(ctx, a); err != nil {
		return err
	}
	close(pushed)
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { defer close(watched); t.watchTheLeaving(watching, a) }()
	err := t.arrive(ctx, a)
	stop()
	<-watched
	return err
}

// removes says whether a server goes, and its WAL with it.
func removes(a plan.Action) bool {
	return a.After.State == plan.Settled
}

// watchTheLeaving server's WAL while it is still there; it may be gone at any moment.
func (t *tenant) watchTheLeaving(ctx context.Context, a plan.Action) {
	for removes(a) && wait(ctx, 2*time.Second) {
		_ = t.traffic.WALReader.Look(ctx) // what can't be read is read by the next look, or is gone
	}
}

// look at the PgProxy, and note the switches that it has made: its status forgets them.
func (t *tenant) look(ctx context.Context) (*v1alpha1.PgProxy, error) {
	p, err := t.app.Proxy(ctx)
	if err == nil {
		t.traffic.Records.Take(p)
	}
	return p, err
}

// leave: no more traffic; the database goes unless it shall be kept.
func (t *tenant) leave(ctx context.Context, keep bool) error {
	var err error
	if t.traffic != nil {
		err = t.traffic.Stop()
	}
	if keep {
		return err
	}
	return errors.Join(err, t.app.Abandon(ctx))
}

// failure with the seed and the shortest history that shows it.
func (t *tenant) failure(a plan.Action, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("fleet %d, action %s: %w\n\nall was in order until action %d; since then:\n%s\n\nthe same plan again: make stress SEED=%d FLEETS=%d",
		t.number, a, err, t.lastMade, t.history.since(t.checked, t.number), t.run.options.seed, t.run.options.fleets)
}

func temporary() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "gitover-stress-")
	return dir, func() { os.RemoveAll(dir) }, err
}
