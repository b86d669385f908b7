package ledger

import "time"

// Outcome is what a client was told of its transaction.
type Outcome uint8

const (
	// Acknowledged: the server said that it is committed.
	Acknowledged Outcome = iota
	// Refused: it certainly was not committed.
	Refused
	// Unknown: the connection broke before the answer.
	Unknown
)

func (o Outcome) String() string {
	return [...]string{"acknowledged", "refused", "unknown"}[o]
}

// Tables that effects speak of.
const (
	Entries  = "entry"
	Journal  = "journal"
	Counters = "counter"
	Tickets  = "ticket"
)

// Kind of an effect.
type Kind uint8

const (
	// Insert a row with this key.
	Insert Kind = iota
	// Delete the row with this key.
	Delete
	// Add Value to the row with this key: a counter, or a journal row's touches.
	Add
	// Draw: the sequence called Table handed out Value.
	Draw
	// Saw the counter with this key at Value.
	Saw
)

// Effect is one thing that a transaction did, or would have done.
type Effect struct {
	Kind  Kind
	Table string
	Key   int64
	Value int64
}

// Transaction as its client saw it.
type Transaction struct {
	Client   int
	Database string
	Name     string
	Start    time.Time
	End      time.Time
	Outcome  Outcome
	// Intended: the client itself asked for the refusal.
	Intended bool
	// Error that the client got.
	Error string
	// Miscounted: a write met no row or several where the client's own book knows one. A
	// loss or a doubling that shows at once, and would hide behind a later DELETE.
	Miscounted bool
	Effects    []Effect
}

// Failed: the application would have noticed.
func (t Transaction) Failed() bool { return t.Outcome != Acknowledged && !t.Intended }

// Latency that the client felt.
func (t Transaction) Latency() time.Duration { return t.End.Sub(t.Start) }
