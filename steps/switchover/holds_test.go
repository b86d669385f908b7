package switchover_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/pooler/pgbouncer"
)

// holdWatch measures how long poolers hold their clients, by what PgBouncer itself says.
type holdWatch struct {
	t    *testing.T
	stop context.CancelFunc

	mu sync.Mutex
	// since is when a pooler that holds its clients now began to.
	since map[*pooler]time.Time
	worst time.Duration
}

// watchHolds of the present poolers, until stop or the end of the test.
func (s *stage) watchHolds() *holdWatch {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &holdWatch{t: s.t, since: map[*pooler]time.Time{}}
	var watching sync.WaitGroup
	w.stop = func() { cancel(); watching.Wait() }
	for _, p := range s.poolers {
		watching.Go(func() { w.watch(ctx, p) })
	}
	s.t.Cleanup(w.stop)
	return w
}

func (w *holdWatch) watch(ctx context.Context, p *pooler) {
	var console *pgbouncer.Console
	for tick := time.NewTicker(2 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			if console != nil {
				console.Close(ctx)
			}
			return
		case <-tick.C:
		}
		if console == nil || !console.Alive() {
			console, _ = p.Admin.Connect(ctx) // a pooler that is not there holds nobody
		}
		held := false
		if console != nil {
			held, _ = console.Paused(ctx)
		}
		w.note(p, held)
	}
}

func (w *holdWatch) note(p *pooler, held bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	since, was := w.since[p]
	switch {
	case held && !was:
		w.since[p] = time.Now()
	case was:
		w.worst = max(w.worst, time.Since(since))
		if !held {
			delete(w.since, p)
		}
	}
}

// take the longest hold since the last take.
func (w *holdWatch) take() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	worst := w.worst
	w.worst = 0
	return worst
}

// seen: a pooler held clients since the last take.
func (w *holdWatch) seen() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.worst > 0
}

// lasting is how long clients are held already, 0 if none are.
func (w *holdWatch) lasting() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var longest time.Duration
	for _, since := range w.since {
		longest = max(longest, time.Since(since))
	}
	return longest
}

// awaitNone waits until no pooler holds clients.
func (w *holdWatch) awaitNone() {
	w.t.Helper()
	eventually(w.t, "no pooler holds clients", func() bool { return w.lasting() == 0 })
}
