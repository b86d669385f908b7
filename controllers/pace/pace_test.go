package pace

import (
	"errors"
	"testing"
	"time"
)

// TestAnExpensiveLookIsMadeLessOften than a cheap one, and never less than once a minute where databases are few.
func TestAnExpensiveLookIsMadeLessOften(t *testing.T) {
	clock := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return clock }
	var p Memory
	looks := 0
	look := func(takes time.Duration, finds string, err error) func() (string, error) {
		return func() (string, error) { looks++; clock = clock.Add(takes); return finds, err }
	}
	for _, s := range []struct {
		story string
		later time.Duration
		many  int
		takes time.Duration
		finds string
		err   error
		says  string
		inAll int
	}{
		{"the first", 0, 1, 90 * time.Millisecond, "drift", nil, "drift", 1},
		{"eight seconds later", 8 * time.Second, 1, 0, "", nil, "drift", 1},
		{"past a hundred times as long", 2 * time.Second, 1, 5 * time.Second, "", nil, "", 2},
		{"not before a minute has passed", 59 * time.Second, 1, 0, "drift", nil, "", 2},
		{"and then at once", 2 * time.Second, 1, time.Millisecond, "drift", errors.New("no answer"), "", 3},
		{"an error is not remembered", 0, 1, time.Second, "drift", nil, "drift", 4},
		{"trouble goes soon", 11 * time.Second, 1, 10 * time.Millisecond, "", nil, "", 5},
		{"one of fifty", 2 * time.Second, 50, 40 * time.Millisecond, "", nil, "", 6},
		{"fifty times as long", 199 * time.Second, 50, 0, "drift", nil, "", 6},
		{"a clock that was set back", -24 * time.Hour, 1, time.Second, "", nil, "", 7},
	} {
		clock = clock.Add(s.later)
		says, err := p.Look("orders", s.many, now, look(s.takes, s.finds, s.err))
		if says != s.says || looks != s.inAll || !errors.Is(err, s.err) {
			t.Errorf("%s: %q, %v after %d looks", s.story, says, err, looks)
		}
	}
}
