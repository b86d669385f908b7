package pgpooler

import (
	"context"
	"sync"

	"github.com/gitover/gitover/steps/agent"
)

// Source is a PgProxy in memory.
type Source struct {
	mu      sync.Mutex
	active  *agent.Active
	changed chan struct{}
}

// NewSource is a PgProxy that says nothing yet.
func NewSource() *Source { return &Source{changed: make(chan struct{})} }

// Set publishes what PgProxy's status would.
func (s *Source) Set(active agent.Active) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = &active
	close(s.changed)
	s.changed = make(chan struct{})
}

// Run is agent.Source.
func (s *Source) Run(ctx context.Context, seen func(agent.Active)) error {
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
