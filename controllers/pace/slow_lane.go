package pace

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// SlowLane keeps objects whose servers don't answer from using up the workers: those whose last look was slow share
// half of them. The zero value has room for all.
type SlowLane struct {
	mu    sync.Mutex
	Limit int
	in    int
	slow  map[types.NamespacedName]bool
}

const (
	// slowAfter a look counts as slow: servers that answer are looked at in less.
	slowAfter = 2 * time.Second
	// SlowTurn is when an object that found the lane full tries again.
	SlowTurn = time.Second
)

// Enter says whether an object may be looked at now; an urgent one always may. If so, leave is called after the look.
func (l *SlowLane) Enter(key types.NamespacedName, urgent bool, now func() time.Time) (leave func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slow := l.slow[key]
	if slow && !urgent && l.Limit > 0 && l.in >= l.Limit {
		return nil, false
	}
	if slow {
		l.in++
	}
	began := now()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if slow {
			l.in--
		}
		delete(l.slow, key)
		if now().Sub(began) > slowAfter {
			if l.slow == nil {
				l.slow = map[types.NamespacedName]bool{}
			}
			l.slow[key] = true
		}
	}, true
}
