package plan

import (
	"slices"
	"testing"
)

var versions = []string{"15", "17", "18"}

func actions(seed uint64, fleet, count int) []Action {
	p := New(Options{Seed: seed, Fleet: fleet, Begin: "15", Versions: versions, CheckEvery: 4, Faults: Faults()})
	var all []Action
	for range count {
		all = append(all, p.Next())
	}
	return all
}

func texts(actions []Action) []string {
	var all []string
	for _, a := range actions {
		all = append(all, a.String())
	}
	return all
}

func TestTheSameSeedGivesTheSamePlan(t *testing.T) {
	first := texts(actions(7, 0, 300))
	if !slices.Equal(first, texts(actions(7, 0, 300))) {
		t.Error("the same seed gave two plans")
	}
	if slices.Equal(first, texts(actions(8, 0, 300))) || slices.Equal(first, texts(actions(7, 1, 300))) {
		t.Error("another seed, or another fleet, has the same plan")
	}
}

func TestEveryMoveAndEveryFaultComesUp(t *testing.T) {
	moved, struck, moments, steps := map[Move]int{}, map[Fault]int{}, map[Moment]int{}, map[string]int{}
	pairs := map[[2]string]int{}
	for _, a := range actions(1, 0, 3000) {
		moved[a.Move]++
		steps[a.AtStep]++
		if a.Move == Upgrade {
			pairs[[2]string{a.After.From, a.After.To}]++
		}
		for _, s := range a.Injections {
			struck[s.Fault]++
			moments[s.At]++
		}
	}
	for _, m := range Moves {
		if moved[m] == 0 {
			t.Errorf("nobody does %q", m)
		}
	}
	for _, f := range Faults() {
		if struck[f] == 0 {
			t.Errorf("%q is never injected", f)
		}
	}
	for _, m := range []Moment{Pushed, Preparing, Holding, Finishing} {
		if moments[m] == 0 {
			t.Errorf("nothing is injected at %q", m)
		}
	}
	for _, s := range AbortSteps {
		if steps[s] == 0 {
			t.Errorf("nothing is taken back at %q", s)
		}
	}
	if want := len(versions) * (len(versions) - 1); len(pairs) != want {
		t.Errorf("%d of %d pairs of versions: %v", len(pairs), want, pairs)
	}
}

// allowed by Gitover's documentation, written down a second time.
var allowed = map[State][]Move{
	Settled:    {Upgrade, Abort},
	Soaking:    {Revert, Finalize, TakeBack},
	RolledBack: {Rerevert, Retry, Forget},
}

func TestOnlyWhatIsLegalIsDone(t *testing.T) {
	for seed := range uint64(20) {
		place := Place{State: Settled, From: "15", To: "15"}
		for i, a := range actions(seed, 2, 200) {
			if a.Before != place {
				t.Fatalf("seed %d, %s: begins at %+v, the one before ended at %+v", seed, a, a.Before, place)
			}
			if !slices.Contains(allowed[place.State], a.Move) {
				t.Errorf("seed %d, %s: not when %s", seed, a, place.State)
			}
			if (a.After.State == Settled) != (a.After.Standby() == "") || a.After.State != Settled && a.After.From == a.After.To {
				t.Errorf("seed %d, %s: ends at %+v", seed, a, a.After)
			}
			if a.Move.Switches() != (a.Before.Serving() != a.After.Serving()) && a.Move != Abort {
				t.Errorf("seed %d, %s: clients are led from %s to %s", seed, a, a.Before.Serving(), a.After.Serving())
			}
			if a.Check != ((i+1)%4 == 0) {
				t.Errorf("seed %d, %s: checked: %v", seed, a, a.Check)
			}
			for _, s := range a.Injections {
				r := rowOf(s.Fault)
				if r.onStandby && a.Before.Standby() == "" {
					t.Errorf("seed %d, %s: there is no standby", seed, a)
				}
				if s.Lasts < r.shortest || s.Lasts > r.longest || s.Delay < 0 {
					t.Errorf("seed %d, %s: %+v", seed, a, s)
				}
				if s.At != Pushed && !a.Move.Switches() {
					t.Errorf("seed %d, %s: nothing is switched", seed, a)
				}
			}
			place = a.After
		}
	}
}

func TestMostMovesAreSwitches(t *testing.T) {
	switches := 0
	all := actions(3, 0, 1000)
	for _, a := range all {
		if a.Move.Switches() {
			switches++
		}
	}
	if switches < len(all)*3/4 {
		t.Errorf("%d of %d moves are switches", switches, len(all))
	}
}

func TestAPlanWithoutFaultsHasNone(t *testing.T) {
	p := New(Options{Seed: 1, Begin: "15", Versions: versions})
	for range 200 {
		if a := p.Next(); len(a.Injections) > 0 {
			t.Fatalf("%s", a)
		}
	}
}
