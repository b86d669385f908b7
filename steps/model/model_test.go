package model

import "testing"

// search visits every state once and returns what is wrong with the first bad one, now or if
// the controllers died for good, and how many it saw.
func search(first state, flaw Flaw) (wrong string, states int) {
	return searchFor(first, flaw, false)
}

// searchFor is search; forEver: for what stays wrong only.
func searchFor(first state, flaw Flaw, forEver bool) (wrong string, states int) {
	seen := map[state]struct{}{first: {}}
	queue := []state{first}
	for len(queue) > 0 {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if w := s.wrong(); w != "" && !forEver {
			return w, len(seen)
		}
		if w := s.stuck(flaw); w != "" {
			return w, len(seen)
		}
		for _, n := range s.next(flaw) {
			if _, ok := seen[n]; !ok {
				seen[n] = struct{}{}
				queue = append(queue, n)
			}
		}
	}
	return "", len(seen)
}

func TestNoInterleavingOpensBothSidesLosesARowOrHoldsTrafficForEver(t *testing.T) {
	wrong, states := search(initial(), NoFlaw)
	t.Logf("%d states", states)
	if wrong != "" {
		t.Error(wrong)
	}
}

func TestEveryProtectionIsNeeded(t *testing.T) {
	for _, flaw := range []Flaw{
		FenceUnasked, OpenTwice, OpenKeyless, NoReady, NoTakeOver, NoClear, AbortAfterCommit, NotShut, AdmitWritable,
		ForgetHold, ReleaseBlind,
	} {
		wrong, states := search(initial(), flaw)
		if wrong == "" {
			t.Errorf("%s: nothing is wrong in %d states", flaw, states)
			continue
		}
		t.Logf("%s: %s (after %d states)", flaw, wrong, states)
	}
}
