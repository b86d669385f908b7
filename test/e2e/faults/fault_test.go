package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/cluster/chaos"
	"github.com/gitover/gitover/test/ledger"
)

// holdLimit is what the example's PgProxy promises.
const holdLimit = 10 * time.Second

// moment at which a fault is injected.
type moment string

const (
	copying moment = "while rows are copied"
	// copied, though not yet followed by anybody.
	copied  moment = "before the cutover"
	soaking moment = "during the soak"
	// asked: a switch is asked for while the fault is there already.
	asked moment = "before a switch"
	// inSwitch: the switch has begun.
	inSwitch moment = "in a switch"
)

// fault is one row of a table.
type fault struct {
	when moment
	name string
	// inject breaks something, and says how it heals: nil for what heals by itself.
	inject func(d *database) chaos.Heal
	// seen while it lasts; it heals no sooner.
	seen sight
	// lasts at least so long.
	lasts time.Duration
	// spares both servers and the clients' way to them: nobody may wait for longer than a
	// hold may last.
	spares bool
}

// sight is what users see: a condition of one of the kinds, its reason, and words of its
// message. Nothing, if empty.
type sight struct {
	kind, condition, reason string
	says                    []string
}

func upgradeSays(reason string, says ...string) sight {
	return sight{"PgUpgrade", v1alpha1.ReadyCondition, reason, says}
}

func proxySays(reason string, says ...string) sight {
	return sight{"PgProxy", v1alpha1.ReadyCondition, reason, says}
}

func rollbackPathSays(reason string, says ...string) sight {
	return sight{"PgProxy", v1alpha1.RollbackReadyCondition, reason, says}
}

func (s sight) in(conditions []metav1.Condition) bool {
	c := meta.FindStatusCondition(conditions, s.condition)
	return c != nil && c.Status == metav1.ConditionFalse && c.Reason == s.reason &&
		!slices.ContainsFunc(s.says, func(words string) bool { return !strings.Contains(c.Message, words) })
}

// suffer one fault after the other, each from its beginning to the day after.
func (d *database) suffer(faults []fault) {
	d.t.Helper()
	for _, f := range faults {
		begun := time.Now()
		d.t.Logf("— %s: %s", f.when, f.name)
		switch f.when {
		case copying:
			d.endure(f, f.inject(d), begun)
			d.must(d.app.AwaitUpgrade(d.t.Context(), 3*time.Minute, "the copy goes on", func(u *v1alpha1.PgUpgrade) bool {
				return u.Status.Step == "CopyData" && (sight{"PgUpgrade", v1alpha1.ReadyCondition, "CopyData", nil}).in(u.Status.Conditions)
			}))
		case copied:
			d.endure(f, f.inject(d), begun)
			if f.seen.reason != v1alpha1.ReasonSlotLost { // which only another copy fixes
				d.awaitStep("Approve")
				d.must(d.app.AwaitUpgrade(d.t.Context(), 3*time.Minute, "it is ready again", func(u *v1alpha1.PgUpgrade) bool {
					return (sight{"PgUpgrade", v1alpha1.ReadyCondition, v1alpha1.ReasonWaitingForApproval, nil}).in(u.Status.Conditions)
				}))
			}
		case soaking:
			d.endure(f, f.inject(d), begun)
			d.flows()
		case asked:
			heal := f.inject(d)
			d.ask()
			d.endure(f, heal, begun)
			d.switched()
		case inSwitch:
			before := d.lastSwitch()
			d.ask()
			d.awaitSwitch(before)
			d.endure(f, f.inject(d), time.Now())
			d.switched()
		}
		waited := ledger.StallOf(ledger.Spans(d.traffic.History()), begun, time.Now()).Worst
		d.t.Logf("%s: %s: over after %v; the longest that a client waited: %v", f.when, f.name, time.Since(begun).Round(time.Second), waited.Round(time.Millisecond))
		if !f.spares {
			continue
		}
		worst.note(f.when.of(f.name), waited)
		if waited > holdLimit {
			d.t.Errorf("%s: a client waited for %v, longer than the limit of %v", f.name, waited, holdLimit)
		}
	}
}

func (m moment) of(name string) string { return fmt.Sprintf("%s: %s", m, name) }

// endure a fault for as long as it lasts and until users see it, then heal it.
func (d *database) endure(f fault, heal chaos.Heal, since time.Time) {
	d.t.Helper()
	if heal == nil {
		heal = func(context.Context) error { return nil }
	}
	healed := sync.OnceValue(func() error { return heal(context.WithoutCancel(d.t.Context())) })
	defer func() { d.must(healed()) }() // also when what is to be seen isn't
	d.sees(f.seen)
	select {
	case <-time.After(time.Until(since.Add(f.lasts))):
	case <-d.t.Context().Done():
	}
}

func (d *database) sees(s sight) {
	d.t.Helper()
	switch what := fmt.Sprintf("%s shows %s", s.kind, s.reason); s.kind {
	case "PgUpgrade":
		d.must(d.app.AwaitUpgrade(d.t.Context(), 3*time.Minute, what, func(u *v1alpha1.PgUpgrade) bool { return s.in(u.Status.Conditions) }))
	case "PgProxy":
		d.must(d.app.AwaitProxy(d.t.Context(), 3*time.Minute, what, func(p *v1alpha1.PgProxy) bool { return s.in(p.Status.Conditions) }))
	}
}

// lastSwitch that was made or tried.
func (d *database) lastSwitch() string {
	d.t.Helper()
	p, err := d.app.Proxy(d.t.Context())
	d.must(err)
	if len(p.Status.Switches) == 0 {
		return ""
	}
	return p.Status.Switches[0].ID
}

// awaitSwitch returns when another switch has begun: looked for more often than anything
// else, since it is over soon.
func (d *database) awaitSwitch(before string) {
	d.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		p, err := d.app.Proxy(d.t.Context())
		d.must(err)
		if p.Status.Switch != nil || (len(p.Status.Switches) > 0 && p.Status.Switches[0].ID != before) {
			return
		}
	}
	d.t.Fatalf("no switch began within %v", patience)
}

// holds is the longest wait seen, over all faults.
type holds struct {
	mu     sync.Mutex
	length time.Duration
	what   string
}

var worst holds

func (h *holds) note(what string, length time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if length > h.length {
		h.length, h.what = length, what
	}
}

func (h *holds) print() {
	h.mu.Lock()
	defer h.mu.Unlock()
	fmt.Printf("worst hold over all faults: %v (%s)\n", h.length.Round(time.Millisecond), h.what)
}
