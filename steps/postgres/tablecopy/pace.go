package tablecopy

import (
	"context"
	"sync"

	"golang.org/x/time/rate"
)

// pacer holds workers back.
type pacer struct {
	// started is the limit that the copy was started with.
	started int64

	mu     sync.Mutex
	limit  *rate.Limiter
	now    Pace
	change chan struct{}
}

func newPacer(bytesPerSecond int64) *pacer {
	p := &pacer{started: bytesPerSecond, limit: rate.NewLimiter(rate.Inf, frames), change: make(chan struct{})}
	p.set(Pace{BytesPerSecond: -1})
	return p
}

// frames that may pass at once, in bytes; a worker asks for less than that at a time.
const frames = 1 << 20

// set another pace.
func (p *pacer) set(to Pace) {
	if to.BytesPerSecond < 0 {
		to.BytesPerSecond = p.started
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if to == p.now && to.BytesPerSecond == 0 {
		return
	}
	p.limit.SetLimit(rate.Inf)
	if to.BytesPerSecond > 0 {
		p.limit.SetLimit(rate.Limit(to.BytesPerSecond))
		p.limit.SetBurst(int(max(to.BytesPerSecond/4, frames)))
	}
	if p.now != to {
		close(p.change)
		p.now, p.change = to, make(chan struct{})
	}
}

// paused says why, and what is closed once that changes.
func (p *pacer) paused() (why string, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now.Paused, p.change
}

// wait until so many bytes may be sent.
func (p *pacer) wait(ctx context.Context, bytes int) error {
	for {
		why, changed := p.paused()
		if why == "" {
			return p.limit.WaitN(ctx, bytes)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
