package tablecopy

import (
	"context"
	"strings"
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
	// atMost is another limit in bytes a second, for the sake of the source; 0 for none.
	atMost int64
	// passed are the bytes since they were last asked for.
	passed int64
}

// frames that may pass at once, in bytes; a worker asks for less than that at a time.
const frames = 1 << 20

func newPacer(bytesPerSecond int64) *pacer {
	p := &pacer{started: bytesPerSecond, limit: rate.NewLimiter(rate.Inf, frames), change: make(chan struct{})}
	p.set(Pace{BytesPerSecond: -1})
	return p
}

// set another pace.
func (p *pacer) set(to Pace) {
	if to.BytesPerSecond < 0 {
		to.BytesPerSecond = p.started
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if to == p.now {
		return
	}
	p.now = to
	p.apply()
	close(p.change)
	p.change = make(chan struct{})
}

// slowTo so many bytes a second, whatever the pace says; 0 for no such limit.
func (p *pacer) slowTo(atMost int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.atMost = atMost
	p.apply()
}

func (p *pacer) apply() {
	bytes := p.now.BytesPerSecond
	if p.atMost > 0 && (bytes == 0 || p.atMost < bytes) {
		bytes = p.atMost
	}
	if bytes == 0 {
		p.limit.SetLimit(rate.Inf)
		return
	}
	p.limit.SetLimit(rate.Limit(bytes))
	p.limit.SetBurst(int(max(bytes/4, frames)))
}

// paused says why, and what is closed once that changes.
func (p *pacer) paused() (why string, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now.Paused, p.change
}

// sinceLast are the bytes that have passed since the last call.
func (p *pacer) sinceLast() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	passed := p.passed
	p.passed = 0
	return passed
}

// NoRoom begins the reason of a pause in which indexes aren't begun either, since the target's disk is nearly full.
const NoRoom = "no room: "

// room waits until the target has some, as far as a controller says.
func (p *pacer) room(ctx context.Context) error {
	for {
		why, changed := p.paused()
		if !strings.HasPrefix(why, NoRoom) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wait until so many bytes may be sent.
func (p *pacer) wait(ctx context.Context, bytes int) error {
	for {
		why, changed := p.paused()
		if why == "" {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := p.limit.WaitN(ctx, bytes); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passed += int64(bytes)
	return nil
}
