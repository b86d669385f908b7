package testenv

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/ledger"
)

// Records of a PgProxy's switches and attempts: its status forgets all but the last 16. For
// concurrent use.
type Records struct {
	mu  sync.Mutex
	all []v1alpha1.SwitchRecord
}

// Take what a status has and was not taken before.
func (r *Records) Take(p *v1alpha1.PgProxy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, record := range slices.Backward(p.Status.Switches) {
		if !slices.ContainsFunc(r.all, func(known v1alpha1.SwitchRecord) bool { return known.ID == record.ID }) {
			r.all = append(r.all, record)
		}
	}
}

// All that were taken, oldest first.
func (r *Records) All() []v1alpha1.SwitchRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// keep taking, often enough that none is forgotten in between.
func (r *Records) keep(ctx context.Context, a *App) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if p, err := a.Proxy(ctx); err == nil {
			r.Take(p)
		}
	}, time.Second)
}

// Handovers are the switches among the records, in the order of time. One whose hold was measured by nobody may have been at any time after
// the one before it.
func (r *Records) Handovers() []ledger.Handover {
	var all []ledger.Handover
	var before time.Time
	for _, record := range r.All() {
		if record.Outcome != "Switched" {
			continue
		}
		handover := ledger.Handover{From: record.From, To: record.To, Held: before, Resumed: record.FinishedAt.Time}
		if held, resumed, ok := Held(record); ok {
			handover.Held, handover.Resumed = held, resumed
		}
		before = handover.Resumed
		all = append(all, handover)
	}
	return all
}
