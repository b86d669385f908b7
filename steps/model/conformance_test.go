package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gitover/gitover/test/pg"
)

const (
	sequences  = 40
	batches    = 14
	agentRole  = "gitover_agent"
	agentsWord = "an agent's secret"
)

// TestTheRegisterAnswersAsTheModelDoes has controllers and agents call the real register's functions on
// two real servers, in any order, several at once, with sessions that die in between and servers that
// crash. The model says which answers are possible; after each batch at least one
// order of its calls must explain all of them, and how the servers' fences stand.
func TestTheRegisterAnswersAsTheModelDoes(t *testing.T) {
	r := newRegisters(t, pg.Ends()[0], pg.Ends()[1])
	seed := uint64(5) // found a begin and a ready that passed each other
	dice := rand.New(rand.NewPCG(seed, seed))
	for n := range sequences {
		r.begin(n, uint8(dice.IntN(2)))
		for b := range batches {
			if n%20 == 19 && b == batches/2 {
				r.crash(dice.IntN(2))
			}
			r.batch(dice)
			if t.Failed() {
				t.Fatalf("seed %d, sequence %d:\n%s", seed, n, strings.Join(r.history, "\n"))
			}
		}
	}
	t.Logf("%d calls, %d of them answered by an error or by nobody", r.calls, r.unanswered)
	if r.calls == 0 || r.answers["commit"] == 0 || r.answers["opened"] == 0 || r.answers["refused"] == 0 || r.unanswered == 0 {
		t.Errorf("a poor choice of calls: %v", r.answers)
	}
}

// call is one of the register's functions, called by a controller or an agent.
type call struct {
	function string
	sw       uint8
	agent    bool
	// dies: the caller's session ends, before, during or after the call.
	dies bool
}

func (c call) String() string {
	who := "controller"
	if c.agent {
		who = "agent"
	}
	return fmt.Sprintf("%s %s %d (dies: %t)", who, c.function, c.sw, c.dies)
}

// server that the function is called on.
func (c call) server(s *state) uint8 {
	if c.function == "ready" || strings.HasPrefix(c.function, "open") {
		return s.to(c.sw)
	}
	return s.from[c.sw]
}

var (
	rows      = []string{"", "open", "abort", "commit"}
	entrances = []string{"", "ready", "opened", "closed"}
)

// answer is what the model says, and does.
func (c call) answer(s *state) string {
	word := func(of []string, n uint8) string {
		if n == refused {
			return "refused"
		}
		return of[n]
	}
	switch c.function {
	case "begin":
		return word(rows, s.sqlBegin(c.sw, NoFlaw))
	case "fence":
		return word(rows, s.sqlFence(c.sw, NoFlaw))
	case "commit":
		return word(rows, s.sqlCommit(c.sw))
	case "abort":
		return word(rows, s.sqlAbort(c.sw, NoFlaw))
	case "state":
		return rows[s.row[c.sw]]
	case "admit":
		s.sqlAdmit(c.sw, NoFlaw)
		return ""
	case "ready":
		if s.sqlReady(c.sw, NoFlaw) == refused {
			return "refused"
		}
		return "position"
	case "open":
		// Whether the caller had the key, explain knows.
		return word(entrances, s.sqlOpen(c.sw, true, NoFlaw))
	}
	return word(entrances, s.sqlOpen(c.sw, false, NoFlaw)) // open without a key
}

// draw chooses a call that somebody could make; most follow the protocol's order, so that
// switches get somewhere.
func draw(dice *rand.Rand) call {
	all := []string{"begin", "begin", "fence", "fence", "ready", "ready", "commit", "commit", "open", "open", "admit", "abort", "state", "open without key"}
	c := call{function: all[dice.IntN(len(all))], sw: uint8(1 + dice.IntN(2)), dies: dice.IntN(12) == 0}
	if slices.Contains([]string{"abort", "open", "state", "open without key"}, c.function) {
		c.agent = dice.IntN(2) == 0
	}
	return c
}

// batch makes one to three calls at once and keeps the model's states that explain them.
func (r *registers) batch(dice *rand.Rand) {
	r.t.Helper()
	r.learn()
	calls := make([]call, 1+dice.IntN(3))
	for i := range calls {
		calls[i] = draw(dice)
		if c := &calls[i]; c.function == "ready" && r.hashes[c.sw] == "" {
			// Nobody calls ready who has not begun.
			c.function = "begin"
		}
	}
	answers := make([]string, len(calls))
	var group sync.WaitGroup
	for i, c := range calls {
		group.Go(func() { answers[i] = r.make(c) })
	}
	group.Wait()
	for i, c := range calls {
		r.calls++
		r.answers[answers[i]]++
		if answers[i] == unanswered {
			r.unanswered++
		}
		r.history = append(r.history, fmt.Sprintf("%s: %q", c, answers[i]))
	}
	seen := r.look()
	r.history = append(r.history, "  now "+seen)
	after := map[state]bool{}
	for s := range r.possible {
		explain(s, calls, answers, s.row, func(t state) {
			if shown(t) == seen {
				after[t] = true
			}
		})
	}
	if len(after) == 0 {
		r.t.Errorf("no order of the last calls explains their answers")
	}
	r.possible = after
}

// explain tries every order of the calls; before is how the rows stood when they were made. A
// call that nobody answered may have happened or not.
func explain(s state, calls []call, answers []string, before [3]uint8, found func(state)) {
	if len(calls) == 0 {
		found(s)
		return
	}
	for i, c := range calls {
		rest := append(slices.Clone(calls[:i]), calls[i+1:]...)
		left := append(slices.Clone(answers[:i]), answers[i+1:]...)
		t := s
		if c.function == "open" && before[c.sw] != commit {
			c.function = "open without key"
		}
		if answer := c.answer(&t); answers[i] == unanswered || answer == answers[i] {
			explain(t, rest, left, before, found)
		}
		if answers[i] == unanswered {
			explain(s, rest, left, before, found)
		}
	}
}

// shown is what can be seen of a state from outside.
func shown(s state) string {
	text := ""
	for i := range 2 {
		text += fmt.Sprintf("server %d: fenced %t, shut %t, read-only %t; ", i, s.fenced[i], s.shut[i], s.readOnly[i])
	}
	for sw := 1; sw <= 2; sw++ {
		text += fmt.Sprintf("switch %d: %q %q; ", sw, rows[s.row[sw]], entrances[s.entrance[sw]])
	}
	return text
}

func (r *registers) crash(i int) {
	r.servers[i].Kill()
	r.servers[i].Run()
	r.watch(i)
	r.history = append(r.history, fmt.Sprintf("  server %d crashes", i))
	if seen := r.look(); len(r.possible) > 0 {
		for s := range r.possible {
			if shown(s) == seen {
				return
			}
		}
		r.t.Errorf("after the crash: %s", seen)
	}
}
