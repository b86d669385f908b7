package ledger

import (
	"strings"
	"testing"
	"time"
)

// book is a history that a test writes by hand.
type book struct {
	history []Transaction
	now     time.Time
}

func newBook() *book { return &book{now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)} }

func (b *book) add(client int, outcome Outcome, effects ...Effect) *book {
	b.now = b.now.Add(time.Millisecond)
	b.history = append(b.history, Transaction{Client: client, Database: "orders", Name: "test",
		Start: b.now, End: b.now.Add(time.Millisecond), Outcome: outcome, Effects: effects})
	return b
}

// holding is a state with these rows, one of each key.
func holding(keys ...int64) State {
	s := State{Rows: map[string]map[int64]int{Entries: {}, Journal: {}}, Sums: map[string]map[int64]int64{Counters: {}, Journal: {}}}
	for _, key := range keys {
		s.Rows[Entries][key]++
	}
	return s
}

func (s State) counting(counter, n int64) State {
	s.Sums[Counters][counter] = n
	return s
}

func (s State) served(servers ...int) State {
	for i, server := range servers {
		s.Epochs = append(s.Epochs, Epoch{Server: server, Rows: 1, First: time.Unix(int64(i), 0), Last: time.Unix(int64(i), 1)})
	}
	return s
}

func check1(b *book, s State, switches int) Report {
	return Check(b.history, map[string]State{"orders": s}, Options{Switches: switches})
}

func TestAnExactHistoryPasses(t *testing.T) {
	b := newBook().
		add(0, Acknowledged, Effect{Insert, Entries, 1, 0}).
		add(0, Acknowledged, Effect{Insert, Entries, 2, 0}).
		add(0, Acknowledged, Effect{Delete, Entries, 2, 0}).
		add(0, Refused, Effect{Insert, Entries, 3, 0}).
		add(0, Unknown, Effect{Insert, Entries, 4, 0}).
		add(0, Unknown, Effect{Insert, Entries, 5, 0}).
		add(0, Acknowledged, Effect{Add, Counters, firstOwn, 1}).
		add(0, Unknown, Effect{Add, Counters, firstOwn, 1}).
		add(0, Acknowledged, Effect{Saw, Counters, firstOwn, 2}).
		add(0, Acknowledged, Effect{Draw, "lone", 0, 1}).
		add(1, Acknowledged, Effect{Draw, "lone", 0, 4})
	report := check1(b, holding(1, 5).counting(firstOwn, 2).served(15, 17, 15), 2)
	if !report.OK() {
		t.Fatalf("an exact history is called wrong: %+v", report)
	}
	if report.Acknowledged != 4 || report.Found != 4 {
		t.Errorf("acknowledged %d and found %d writes, want 4 of 4", report.Acknowledged, report.Found)
	}
}

func TestEachFaultIsFound(t *testing.T) {
	insert := func(outcome Outcome) *book { return newBook().add(0, outcome, Effect{Insert, Entries, 1, 0}) }
	journaled := holding()
	journaled.Rows[Journal][7] = 2
	cases := []struct {
		name     string
		book     *book
		state    State
		switches int
		count    func(Report) int
		says     string
	}{
		{"an acknowledged row is lost", insert(Acknowledged), holding(), 0, func(r Report) int { return r.Missing }, "not there"},
		{"a row is doubled", newBook().add(0, Acknowledged, Effect{Insert, Journal, 7, 0}), journaled, 0, func(r Report) int { return r.Doubled }, "2 times"},
		{"an unknown row is doubled", insert(Unknown), holding(1, 1), 0, func(r Report) int { return r.Doubled }, "2 times"},
		{"a refused row is there", insert(Refused), holding(1), 0, func(r Report) int { return r.Ghosts }, "refused"},
		{"a row of nobody is there", newBook(), holding(9), 0, func(r Report) int { return r.Ghosts }, "no client"},
		{"a deleted row is back", insert(Acknowledged).add(0, Acknowledged, Effect{Delete, Entries, 1, 0}), holding(1), 0, func(r Report) int { return r.Missing }, "there again"},
		{"an increment is lost", newBook().add(0, Acknowledged, Effect{Add, Counters, 3, 5}), holding().counting(3, 4), 0, func(r Report) int { return r.Missing }, "at least 5"},
		{"an increment is doubled", newBook().add(0, Acknowledged, Effect{Add, Counters, 3, 5}), holding().counting(3, 10), 0, func(r Report) int { return r.Doubled }, "at most 5"},
		{"half of a transaction is there", newBook().add(0, Unknown, Effect{Insert, Entries, 1, 0}, Effect{Insert, Entries, 2, 0}), holding(1), 0, func(r Report) int { return r.Torn }, "1 of 2"},
		{"half of a transfer is there", newBook().add(0, Unknown, Effect{Add, Counters, firstAccount, -5}, Effect{Add, Counters, firstAccount + 1, 5}), holding().counting(firstAccount, -5), 0, func(r Report) int { return r.Torn }, "balance"},
		{"a sequence goes back", newBook().add(0, Acknowledged, Effect{Draw, "lone", 0, 1}).add(1, Refused, Effect{Draw, "lone", 0, 1}), holding(), 0, func(r Report) int { return r.Reused }, "gave 1"},
		{"a session reads the past", newBook().add(0, Acknowledged, Effect{Add, Counters, firstOwn, 2}).add(0, Acknowledged, Effect{Saw, Counters, firstOwn, 1}), holding().counting(firstOwn, 2), 0, func(r Report) int { return r.Stale }, "knew of 2"},
		{"a session reads back and forth", newBook().add(0, Unknown, Effect{Add, Counters, firstOwn, 2}).add(0, Acknowledged, Effect{Saw, Counters, firstOwn, 2}).add(0, Acknowledged, Effect{Saw, Counters, firstOwn, 0}), holding().counting(firstOwn, 2), 0, func(r Report) int { return r.Stale }, "knew of 2"},
		{"what another wrote vanishes", newBook().add(0, Acknowledged, Effect{Saw, Counters, 3, 9}).add(0, Acknowledged, Effect{Saw, Counters, 3, 8}), holding(), 0, func(r Report) int { return r.Stale }, "knew of 9"},
		{"what it wrote itself to a shared counter vanishes", newBook().add(0, Acknowledged, Effect{Saw, Counters, 3, 9}).add(0, Acknowledged, Effect{Add, Counters, 3, 2}).add(0, Acknowledged, Effect{Saw, Counters, 3, 10}), holding().counting(3, 11), 0, func(r Report) int { return r.Stale }, "knew of 11"},
		{"two servers accept at once", newBook(), holding().served(15, 17, 15, 17), 1, func(r Report) int { return min(r.SplitBrain, 1) }, "out of its turn"},
		{"a database was never read", &book{history: []Transaction{{Database: "billing"}}}, holding(), 0, func(r Report) int { return r.Missing }, "not read"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			report := check1(c.book, c.state, c.switches)
			if report.OK() || c.count(report) != 1 {
				t.Fatalf("not found, or found in the wrong place: %+v", report)
			}
			if !strings.Contains(strings.Join(report.Problems, "\n"), c.says) {
				t.Errorf("problems %q do not say %q", report.Problems, c.says)
			}
		})
	}
}

func TestASplitBrainThatLeavesNoTraceInTheRowsIsFoundInTheServersRecords(t *testing.T) {
	b := newBook().add(0, Acknowledged, Effect{Insert, Entries, 1, 0})
	there := Handover{"15", "17", at(100), at(150)}
	check := func(old ...int) Report {
		return Check(b.history, map[string]State{"orders": holding(1)}, Options{Switches: 1,
			Accepted: joined(by("15", old...), by("17", 140, 160)), Handovers: []Handover{there}})
	}
	if report := check(1, 110); !report.OK() || len(report.Turns) != 2 {
		t.Errorf("turns that were taken are called wrong: %+v", report)
	}
	if report := check(1, 110, 155); report.OK() || report.SplitBrain != 1 || !strings.Contains(report.Problems[0], "turn of 17") {
		t.Errorf("both accepted writes, and nobody says so: %+v", report)
	}
}

func TestALossThatALaterDeleteWouldHideIsFound(t *testing.T) {
	b := newBook().add(0, Acknowledged, Effect{Insert, Entries, 1, 0}).add(0, Acknowledged, Effect{Delete, Entries, 1, 0})
	b.history[1].Miscounted, b.history[1].Error = true, "0 rows instead of one"
	if report := check1(b, holding(), 0); report.Missing != 1 {
		t.Fatalf("the delete of a lost row hides the loss: %+v", report)
	}
}

func TestTheStallIsTheWorstLatencyLessTheLongestTransactionInFlight(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	spans := []Span{
		{at(0), at(900)},     // over before the hold
		{at(980), at(1010)},  // in flight: the hold waits for it
		{at(995), at(1100)},  // came too late, waited, and was served after the resume
		{at(1020), at(1080)}, // waited
		{at(2500), at(9000)}, // long after
	}
	stall := StallOf(spans, at(1000), at(1060))
	if stall.Worst != 105*time.Millisecond || stall.InFlight != 30*time.Millisecond || stall.Length() != 75*time.Millisecond {
		t.Errorf("worst %v, in flight %v, stall %v; want 105ms, 30ms, 75ms", stall.Worst, stall.InFlight, stall.Length())
	}
	if stall.Transactions != 3 {
		t.Errorf("%d transactions in the window, want 3", stall.Transactions)
	}
}

// The server draws a ticket's number: when its answer is lost, nobody knows which it is.
func TestATicketWhoseAnswerWasLostMayBeThereOnce(t *testing.T) {
	lost := newBook()
	lost.add(3, Unknown)
	lost.history[0].Name = ticket
	tickets := func(clients ...int64) State {
		s := holding()
		s.Rows[Tickets], s.Sums[Tickets] = map[int64]int{}, map[int64]int64{}
		for i, client := range clients {
			s.Rows[Tickets][int64(i)], s.Sums[Tickets][int64(i)] = 1, client
		}
		return s
	}
	twice := tickets(3)
	twice.Rows[Tickets][0] = 2
	refused := newBook()
	refused.add(3, Refused)
	refused.history[0].Name = ticket
	for _, s := range []struct {
		story  string
		book   *book
		state  State
		ghosts int
	}{
		{"it isn't there", lost, tickets(), 0},
		{"it is there", lost, tickets(3), 0},
		{"it is there, and another", lost, tickets(3, 3), 1},
		{"it is there twice", lost, twice, 1},
		{"another client's is there", lost, tickets(4), 1},
		{"it was refused, and is there", refused, tickets(3), 1},
	} {
		if r := check1(s.book, s.state, 0); r.Ghosts != s.ghosts {
			t.Errorf("%s: %d ghosts instead of %d: %v", s.story, r.Ghosts, s.ghosts, r.Problems)
		}
	}
}
