package proxy_test

import (
	"context"
	"sync"

	"github.com/gitover/gitover/steps/proxy"
)

// source is a PgProxy in memory.
type source struct {
	mu      sync.Mutex
	active  *proxy.Active
	changed chan struct{}
}

func newSource() *source { return &source{changed: make(chan struct{})} }

func (s *source) set(active proxy.Active) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = &active
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *source) Run(ctx context.Context, seen func(proxy.Active)) error {
	for {
		s.mu.Lock()
		active, changed := s.active, s.changed
		s.mu.Unlock()
		if active != nil {
			seen(*active)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
