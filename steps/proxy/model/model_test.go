package model

import "testing"

// search visits every state once and returns what is wrong with the first bad one, and
// how many it saw. stuck counts states in which nobody can do anything any more and an
// agent still holds traffic.
func search(t *testing.T, flaw Flaw) (wrong string, states, stuck int) {
	t.Helper()
	seen := map[state]struct{}{initial(): {}}
	queue := []state{initial()}
	for len(queue) > 0 {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if w := s.wrong(); w != "" {
			return w, len(seen), stuck
		}
		following := s.next(flaw)
		if len(following) == 0 && (s.agents[0].paused || s.agents[1].paused) {
			stuck++
		}
		for _, n := range following {
			if _, ok := seen[n]; !ok {
				seen[n] = struct{}{}
				queue = append(queue, n)
			}
		}
	}
	return "", len(seen), stuck
}

func TestNoInterleavingOpensBothSidesOrLosesARow(t *testing.T) {
	wrong, states, stuck := search(t, NoFlaw)
	t.Logf("%d states", states)
	if wrong != "" || stuck > 0 {
		t.Errorf("%s; %d states hold traffic for ever", wrong, stuck)
	}
}

func TestEveryProtectionIsNeeded(t *testing.T) {
	for _, flaw := range []Flaw{
		FenceUnasked, OpenTwice, OpenKeyless, NoReady, NoTakeOver, NoClear, AbortAfterCommit, NotShut, AdmitWritable,
	} {
		wrong, states, _ := search(t, flaw)
		if wrong == "" {
			t.Errorf("%s: nothing is wrong in %d states", flaw, states)
			continue
		}
		t.Logf("%s: %s (after %d states)", flaw, wrong, states)
	}
}
