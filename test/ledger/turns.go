package ledger

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Handover is a switch as it was recorded: traffic left From and came to To, within the
// time from Held to Resumed.
type Handover struct {
	From, To string
	// Held is when the first pooler began to hold, Resumed when the last one had let go. Where that
	// isn't known, because the one who would have measured it died, any times around it.
	Held, Resumed time.Time
}

// Turn is a time in which one server accepted writes and no other did.
type Turn struct {
	Server      string
	First, Last time.Time
	Commits     int
}

func (t Turn) String() string {
	return fmt.Sprintf("%s: %d commits from %s to %s", t.Server, t.Commits, clock(t.First), clock(t.Last))
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000000") }

// Turns that the servers took, from their own records alone: the commits of all of them in
// the order of time, cut where another server begins. Commits may be given in any order.
func Turns(accepted []Accepted) []Turn {
	var turns []Turn
	for _, a := range inOrder(accepted) {
		if n := len(turns); n > 0 && turns[n-1].Server == a.Server {
			turns[n-1].Last = a.At
			turns[n-1].Commits++
			continue
		}
		turns = append(turns, Turn{Server: a.Server, First: a.At, Last: a.At, Commits: 1})
	}
	return turns
}

// SplitBrains are the commits that a server accepted out of its turn, in words. Before the
// first switch only its old side may accept writes, after each switch only its new side, and
// within one no commit of the old side may follow one of the new side. Without any switch
// only one server may accept writes. Servers' clocks must agree to less than a hold.
func SplitBrains(accepted []Accepted, switches []Handover) []string {
	switches = slices.Clone(switches)
	slices.SortFunc(switches, func(a, b Handover) int { return a.Resumed.Compare(b.Resumed) })
	var problems []string
	for i := 1; i < len(switches); i++ {
		if switches[i].From != switches[i-1].To {
			problems = append(problems, fmt.Sprintf("switch %d leads away from %s, though switch %d led to %s", i+1, switches[i].From, i, switches[i-1].To))
		}
	}
	accepted = inOrder(accepted)
	if len(accepted) == 0 {
		return problems
	}
	serving := accepted[0].Server
	if len(switches) > 0 {
		serving = switches[0].From
	}
	for _, a := range accepted {
		for len(switches) > 0 && a.At.After(switches[0].Resumed) {
			serving, switches = switches[0].To, switches[1:]
		}
		// several switches in a row may have no commit in between
		for i := 0; i < len(switches) && a.Server != serving && !a.At.Before(switches[i].Held); i++ {
			if a.Server == switches[i].To {
				serving, switches = a.Server, switches[i+1:]
			}
		}
		if a.Server != serving {
			problems = append(problems, fmt.Sprintf("%s accepted a write at %s (WAL %s), when it was the turn of %s", a.Server, clock(a.At), a.Position, serving))
		}
	}
	return problems
}

func inOrder(accepted []Accepted) []Accepted {
	accepted = slices.Clone(accepted)
	slices.SortStableFunc(accepted, func(a, b Accepted) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Position, b.Position))
	})
	return accepted
}
