// Package progress tells a person what the stage is doing: one line when a step
// starts, one every half minute while it lasts, one when it has ended, each
// with the time since the command began.
package progress

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// heartbeat is how long a step may be silent before it says that it still runs.
const heartbeat = 30 * time.Second

// Reporter writes progress lines. It is safe for concurrent use.
type Reporter struct {
	mu    sync.Mutex
	out   io.Writer
	began time.Time
}

// New returns a reporter whose clock starts now and that writes to standard output.
func New() *Reporter { return &Reporter{out: os.Stdout, began: time.Now()} }

// Elapsed is the time since the command began.
func (r *Reporter) Elapsed() time.Duration { return time.Since(r.began) }

// Say writes one line.
func (r *Reporter) Say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.out, "[%7.1fs] %s\n", r.Elapsed().Seconds(), fmt.Sprintf(format, args...))
}

// Step runs one step that may take long. waitsFor says what its end depends on,
// for the lines in between.
func (r *Reporter) Step(name, waitsFor string, step func() error) error {
	r.Say("%s …", name)
	started := time.Now()
	done := make(chan struct{})
	var quiet sync.WaitGroup
	quiet.Go(func() {
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				r.Say("%s: still going after %.0fs, waits for %s", name, time.Since(started).Seconds(), waitsFor)
			}
		}
	})
	err := step()
	close(done)
	quiet.Wait()
	if err != nil {
		r.Say("%s: FAILED after %.1fs", name, time.Since(started).Seconds())
		return err
	}
	r.Say("%s: done in %.1fs", name, time.Since(started).Seconds())
	return nil
}
