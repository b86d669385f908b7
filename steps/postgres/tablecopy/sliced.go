package tablecopy

import (
	"context"
	"fmt"
	"sync"
)

// slicedTable is a table that several workers copy at once. All its parts are of one moment.
type slicedTable struct {
	*table
	mu     sync.Mutex
	moment string
	done   map[int]bool
}

// begin a part at a moment. If the table was begun at another one, that is gone: the table is emptied, and again returns the parts that are to
// be copied once more.
func (s *slicedTable) begin(ctx context.Context, w *worker, m *moment) (again []int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moment == m.id {
		return nil, nil
	}
	to, err := w.target(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := to.Query(ctx, resetTable(*s.table, m.id)); err != nil {
		return nil, fmt.Errorf("begin table %s: %w", s.Name, err)
	}
	for n := range s.done {
		again = append(again, n)
	}
	s.moment, s.done = m.id, map[int]bool{}
	return again, nil
}

// finished marks a part that was copied at a moment, and says whether it was the last one; stale: the table was begun again meanwhile, so that
// the part isn't there any more.
func (s *slicedTable) finished(p part, m *moment) (last, stale bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moment != m.id {
		return false, true
	}
	s.done[p.Number] = true
	return len(s.done) == p.Parts, false
}
