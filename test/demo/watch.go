package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
)

const (
	watchInterval  = 300 * time.Millisecond
	memoryInterval = 5 * time.Second
)

// watcher looks at everything all the time, for the live view and for what the report
// needs and the status forgets.
type watcher struct {
	story *story
	stop  func()

	mu       sync.Mutex
	seen     map[string]v1alpha1.StepStatus
	order    []string
	began    map[string]time.Time
	ended    map[string]time.Time
	records  []v1alpha1.SwitchRecord
	peak     memoryPeak
	lastHead string
	current  string
}

// watch until stopped. Looks that fail are made again at the next tick.
func (s *story) watch(ctx context.Context) *watcher {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{story: s, seen: map[string]v1alpha1.StepStatus{}, began: map[string]time.Time{}, ended: map[string]time.Time{}}
	var running sync.WaitGroup
	w.stop = func() { cancel(); running.Wait() }
	clone, err := fleet.Clone(ctx, s.env.Git, s.clone+"/watcher", fleet.Maintainer)
	if err == nil {
		w.lastHead, _ = clone.Head(ctx) // an empty head shows the whole log, which is harmless
		running.Go(func() { wait.UntilWithContext(ctx, func(ctx context.Context) { w.lookAtGit(ctx, clone) }, time.Second) })
	}
	running.Go(func() { wait.UntilWithContext(ctx, w.lookAtCluster, watchInterval) })
	running.Go(func() { wait.UntilWithContext(ctx, w.lookAtMemory, memoryInterval) })
	return w
}

func (w *watcher) lookAtCluster(ctx context.Context) {
	upgrade, err := w.story.app.Upgrade(ctx)
	if err != nil {
		return
	}
	proxy, err := w.story.app.Proxy(ctx)
	if err != nil {
		return
	}
	w.noteSteps(upgrade)
	w.noteSwitches(proxy)
	w.story.view.show(look{
		upgrade: upgrade, proxy: proxy, bench: w.story.bench.Progress(ctx),
		worst: w.story.traffic.Worst(time.Now().Add(-10 * time.Second)), traffic: w.story.traffic,
	})
}

// noteSteps keeps when each step was first seen to begin and to end: the status rounds to
// seconds and forgets steps when a workflow ends.
func (w *watcher) noteSteps(u *v1alpha1.PgUpgrade) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, step := range u.Status.Steps {
		if _, known := w.seen[step.Name]; !known {
			w.order = append(w.order, step.Name)
			w.began[step.Name] = time.Now()
		}
		if step.FinishedAt != nil && w.ended[step.Name].IsZero() {
			w.ended[step.Name] = time.Now()
			w.story.view.line("✓ %-16s %6.1f s  %s", step.Name, w.seconds(step.Name), step.Message)
		}
		w.seen[step.Name] = step
	}
	state := testenv.Describe(u)
	if u.Status.Step == "" && w.current != state {
		w.story.view.line("%s", state)
	}
	w.current = state
}

func (w *watcher) noteSwitches(p *v1alpha1.PgProxy) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, record := range slices.Backward(p.Status.Switches) {
		if slices.ContainsFunc(w.records, func(r v1alpha1.SwitchRecord) bool { return r.ID == record.ID }) {
			continue
		}
		w.records = append(w.records, record)
		w.story.view.line("⇄ %s → %s: %s, traffic held for %.0f ms; %s %s", record.From, record.To, strings.ToLower(record.Outcome),
			float64(record.HeldMicroseconds)/1000, parts(milliseconds(record.Parts)), record.Reason)
	}
}

func (w *watcher) lookAtGit(ctx context.Context, clone *fleet.Repository) {
	log, err := clone.Log(ctx, "")
	if err != nil {
		return
	}
	fresh := []fleet.Commit{}
	for _, commit := range log {
		if commit.SHA == w.lastHead {
			break
		}
		fresh = append(fresh, commit)
	}
	for _, commit := range slices.Backward(fresh) {
		diff, err := clone.Diff(ctx, commit.SHA)
		if err != nil {
			return
		}
		w.story.view.commit(commit, diff)
		w.lastHead = commit.SHA
	}
}

// switched are the switches that were made, oldest first.
func (w *watcher) switched(p *v1alpha1.PgProxy) []v1alpha1.SwitchRecord {
	w.noteSwitches(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.records), func(r v1alpha1.SwitchRecord) bool { return r.Outcome != "Switched" })
}

func (w *watcher) steps() []stepReport {
	w.mu.Lock()
	defer w.mu.Unlock()
	steps := []stepReport{}
	for _, name := range w.order {
		steps = append(steps, stepReport{name, round(w.seconds(name))})
	}
	return steps
}

// seconds that a step took; a step that was over at the first look took less than the
// time between two looks. The caller holds mu.
func (w *watcher) seconds(step string) float64 {
	if w.ended[step].IsZero() {
		return time.Since(w.began[step]).Seconds()
	}
	return w.ended[step].Sub(w.began[step]).Seconds()
}

// overhead is the time from the merge to the first cutover, less the copying itself: the
// data, its indexes and its statistics.
func (w *watcher) overhead(merged time.Time) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	total := w.ended["AwaitSwitch"].Sub(merged).Seconds()
	for _, copying := range []string{"CopyData", "BuildIndexes", "Analyze"} {
		if !w.ended[copying].IsZero() {
			total -= w.seconds(copying)
		}
	}
	return total
}

func milliseconds(microseconds map[string]int64) map[string]float64 {
	out := map[string]float64{}
	for name, value := range microseconds {
		out[name] = float64(value) / 1000
	}
	return out
}
