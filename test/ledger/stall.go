package ledger

import "time"

// Span is one transaction's time as its client felt it, from its first statement to its
// last answer. What a client meant to do next while it was held waits behind that, no longer.
type Span struct{ Start, End time.Time }

// Latency of the span.
func (s Span) Latency() time.Duration { return s.End.Sub(s.Start) }

// Spans of all transactions that reached a server.
func Spans(history []Transaction) []Span {
	spans := make([]Span, 0, len(history))
	for _, t := range history {
		spans = append(spans, Span{t.Start, t.End})
	}
	return spans
}

// Stall is what clients felt of one switch.
type Stall struct {
	// Worst latency of a transaction that overlapped the window.
	Worst time.Duration
	// InFlight is the longest transaction that was running when traffic was held and had
	// ended before it was let go: the hold waited for it, not it for the hold.
	InFlight time.Duration
	// Transactions that overlapped the window.
	Transactions int
}

// Length of the stall: what is left of the worst latency without the longest transaction
// that was in flight, in which nobody was stalled yet.
func (s Stall) Length() time.Duration { return max(0, s.Worst-s.InFlight) }

// settling is how long after the resume clients still feel a switch, by reconnecting.
const settling = time.Second

// StallOf a switch that held traffic from held until resumed.
func StallOf(spans []Span, held, resumed time.Time) Stall {
	var stall Stall
	for _, s := range spans {
		if s.End.Before(held) || s.Start.After(resumed.Add(settling)) {
			continue
		}
		stall.Transactions++
		stall.Worst = max(stall.Worst, s.Latency())
		if s.Start.Before(held) && s.End.Before(resumed) {
			stall.InFlight = max(stall.InFlight, s.Latency())
		}
	}
	return stall
}
