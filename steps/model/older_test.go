package model

import (
	"fmt"
	"slices"
	"testing"
)

func TestAServerThatComesBackOlderBreaksNothing(t *testing.T) {
	for name, standbys := range map[string]uint8{"synchronous": synchronous, "asynchronous": asynchronous} {
		first := initialWith(standbys, NoFlaw)
		wrong, states := search(first, NoFlaw)
		t.Logf("%s: %d states", name, states)
		if wrong != "" {
			t.Errorf("%s: %s", name, wrong)
			trace(t, first, NoFlaw)
		}
	}
}

func TestEveryProtectionFromOlderServersIsNeeded(t *testing.T) {
	for flaw, standbys := range map[Flaw]uint8{NoIdentity: asynchronous, NoReopen: asynchronous, ReadyUnasked: asynchronous, NoWait: synchronous,
		BeginFenced: asynchronous, OnlySteady: asynchronous, ReadyHole: asynchronous, AdmitFirst: asynchronous, ReadySequences: asynchronous} {
		found(t, flaw, standbys)
	}
}

// TestAsynchronousStandbysMayForgetADecidedSwitch: nothing protects from that, which docs/limits.md says; but the side that forgot it
// doesn't stay open.
func TestAsynchronousStandbysMayForgetADecidedSwitch(t *testing.T) {
	found(t, NoFlaw, forgetful)
	for flaw, stays := range map[Flaw]bool{NoFlaw: false, NoRecheck: true} {
		wrong, states := searchFor(initialWith(forgetful, flaw), flaw, true)
		t.Logf("%q: %q (%d states)", flaw, wrong, states)
		if (wrong == "two sides stay open for ever") != stays || !stays && wrong != "" {
			t.Errorf("%q: %q in %d states", flaw, wrong, states)
		}
	}
}

func found(t *testing.T, flaw Flaw, standbys uint8) {
	t.Helper()
	first := initialWith(standbys, flaw)
	wrong, states := search(first, flaw)
	if wrong == "" {
		t.Errorf("%q: nothing is wrong in %d states", flaw, states)
		return
	}
	t.Logf("%q: %s (after %d states)", flaw, wrong, states)
	if testing.Verbose() {
		trace(t, first, flaw)
	}
}

// trace logs a shortest way to something wrong.
func trace(t *testing.T, first state, flaw Flaw) {
	t.Helper()
	cameFrom := map[state]state{first: {}}
	for queue := []state{first}; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if s.wrong() == "" && s.stuck(flaw) == "" {
			for _, n := range s.next(flaw) {
				if _, ok := cameFrom[n]; !ok {
					cameFrom[n] = s
					queue = append(queue, n)
				}
			}
			continue
		}
		path := []state{s}
		for s != first {
			s = cameFrom[s]
			path = append(path, s)
		}
		slices.Reverse(path)
		for _, s := range path {
			t.Log(brief(s))
		}
		return
	}
}

// brief is what a trace shows of a state.
func brief(s state) (text string) {
	for i := range 2 {
		text += fmt.Sprintf("server %d: fenced %t, shut %t, row %d, sequence %d, replaced %t; ", i, s.fenced[i], s.shut[i], s.rows[i], s.seq[i], s.replaced[i])
	}
	for sw := 1; sw < 3; sw++ {
		text += fmt.Sprintf("switch %d from %d: %q %q, marker %04b; ", sw, s.from[sw], rows[s.row[sw]], entrances[s.entrance[sw]], s.mark[sw])
	}
	return text + fmt.Sprintf("controllers at %d, %d; publisher %d, confirmed %t, owed %t; a standby of %d stopped",
		s.controllers[0].pc, s.controllers[1].pc, s.publisher, s.confirmed, s.owed, s.standby.of)
}
