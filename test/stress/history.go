package main

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// event is something that was done, or seen.
type event struct {
	at    time.Time
	fleet int
	text  string
}

// surroundings are what all fleets share, in the place of a fleet's number.
const surroundings = -1

// history of a run. For concurrent use.
type history struct {
	began time.Time
	print func(line string)

	mu     sync.Mutex
	events []event
}

func newHistory(show func(string)) *history { return &history{began: time.Now(), print: show} }

func (h *history) add(fleet int, format string, args ...any) {
	e := event{time.Now(), fleet, fmt.Sprintf(format, args...)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
	h.print(h.line(e))
}

func (h *history) line(e event) string {
	who := fmt.Sprintf("fleet %d", e.fleet)
	if e.fleet == surroundings {
		who = "all    "
	}
	return fmt.Sprintf("%s %7.2f s  %s  %s", e.at.UTC().Format("15:04:05"), e.at.Sub(h.began).Seconds(), who, e.text)
}

// since a time: all that was done to a fleet, or to what it shares with the others.
func (h *history) since(t time.Time, fleet int) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var lines []string
	for _, e := range h.events {
		if !e.at.Before(t) && (e.fleet == fleet || e.fleet == surroundings) {
			lines = append(lines, "  "+h.line(e))
		}
	}
	return strings.Join(lines, "\n")
}

// text of all of it.
func (h *history) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for _, e := range h.events {
		b.WriteString(h.line(e) + "\n")
	}
	return b.String()
}
