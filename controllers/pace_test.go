package controllers

import (
	"errors"
	"testing"
	"time"
)

// TestAnExpensiveLookIsMadeLessOften than a cheap one, and never less than once a minute.
func TestAnExpensiveLookIsMadeLessOften(t *testing.T) {
	clock := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	now := func() time.Time { return clock }
	var p paces
	looks := 0
	look := func(takes time.Duration, finds string, err error) func() (string, error) {
		return func() (string, error) { looks++; clock = clock.Add(takes); return finds, err }
	}
	for _, s := range []struct {
		story string
		later time.Duration
		takes time.Duration
		finds string
		err   error
		says  string
		inAll int
	}{
		{"the first", 0, 100 * time.Millisecond, "drift", nil, "drift", 1},
		{"nine seconds later", 9 * time.Second, 0, "", nil, "drift", 1},
		{"past a hundred times as long", 2 * time.Second, 5 * time.Second, "", nil, "", 2},
		{"not before a minute has passed", 59 * time.Second, 0, "drift", nil, "", 2},
		{"and then at once", 2 * time.Second, time.Millisecond, "drift", errors.New("no answer"), "", 3},
		{"an error is not remembered", 0, time.Second, "drift", nil, "drift", 4},
		{"a clock that was set back", -24 * time.Hour, time.Second, "", nil, "", 5},
	} {
		clock = clock.Add(s.later)
		says, err := p.look("orders", now, look(s.takes, s.finds, s.err))
		if says != s.says || looks != s.inAll || !errors.Is(err, s.err) {
			t.Errorf("%s: %q, %v after %d looks", s.story, says, err, looks)
		}
	}
}
