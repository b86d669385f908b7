package tablecopy

import (
	"testing"
	"time"
)

func TestACopyReadsLessWhileCommitsOfTheSourceAreSlow(t *testing.T) {
	c := &considerate{most: 50 * time.Millisecond}
	hear := func(seconds int, latency time.Duration, bytes int64) (limit int64) {
		for range seconds {
			limit = c.heard(latency, bytes)
		}
		return limit
	}
	slow, quick := 80*time.Millisecond, 5*time.Millisecond
	if got := hear(60, quick, 100<<20); got != 0 || c.describe("blue") != "" {
		t.Errorf("nothing is slow: %d", got)
	}
	if got := hear(2, 3*time.Second, 100<<20); got != 0 {
		t.Errorf("a checkpoint: %d", got)
	}
	hear(latencies, quick, 100<<20)
	if got := hear(3, slow, 100<<20); got != 50<<20 || c.describe("blue") != "commits on blue took more than 50ms, so it reads 50.0 MiB/s at most" {
		t.Errorf("slow: %d, %q", got, c.describe("blue"))
	}
	if got := hear(4, slow, 50<<20); got != 50<<20 {
		t.Errorf("before the limit has shown what it does: %d", got)
	}
	if got := hear(1, slow, 50<<20); got != 25<<20 {
		t.Errorf("still slow: %d", got)
	}
	if got := hear(500, slow, 1<<20); got != leastPace {
		t.Errorf("it never stops: %d", got)
	}
	if got := hear(latencies+calmSeconds, quick, leastPace); got <= leastPace || got > 2*leastPace {
		t.Errorf("by and by: %d", got)
	}
	if got := hear(300, quick, 10<<20); got != 0 {
		t.Errorf("the limit holds nothing back any more: %d", got)
	}
}

func TestAPaceMayChangeWhileWorkersWait(t *testing.T) {
	p := newPacer(1 << 30)
	if err := p.wait(t.Context(), 100); err != nil || p.sinceLast() != 100 || p.sinceLast() != 0 {
		t.Error(err)
	}
	p.set(Pace{Paused: "for a while"})
	passed := make(chan error, 1)
	go func() { passed <- p.wait(t.Context(), 100) }()
	select {
	case err := <-passed:
		t.Errorf("it doesn't pause: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	p.set(Pace{BytesPerSecond: -1})
	if err := <-passed; err != nil {
		t.Error(err)
	}
	p.slowTo(5 << 20)
	if p.limit.Limit() != 5<<20 {
		t.Errorf("%v", p.limit.Limit())
	}
	p.set(Pace{BytesPerSecond: 3 << 20})
	if p.limit.Limit() != 3<<20 {
		t.Errorf("the lower of both counts, not %v", p.limit.Limit())
	}
}
