// Package plan decides what a stress run does, and does nothing itself: which move each fleet
// makes next, and which faults are injected while it does. A plan is a pure function of its seed
// and the fleet's number, so that the same seed repeats it.
package plan

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// State of a fleet between two actions.
type State string

// States.
const (
	// Settled: one instance, no upgrade.
	Settled State = "settled"
	// Soaking: the new instance serves, the old one follows it.
	Soaking State = "soaking"
	// RolledBack: the old instance serves again, the new one follows it.
	RolledBack State = "rolled back"
)

// Place is where a fleet is between two actions.
type Place struct {
	State State
	// From and To are the versions of the pair; the same one where there is no pair.
	From, To string
}

// Serving is the version that clients reach.
func (p Place) Serving() string {
	if p.State == Soaking {
		return p.To
	}
	return p.From
}

// Standby is the other version of the pair; empty without one.
func (p Place) Standby() string {
	switch p.State {
	case Soaking:
		return p.From
	case RolledBack:
		return p.To
	}
	return ""
}

// Action is a move of the team's, and what injections meanwhile.
type Action struct {
	// Number of the action in its fleet, from 1.
	Number int
	Move   Move
	// Before and After it.
	Before, After Place
	// AtStep of the upgrade the team changes its mind, of a Change.
	AtStep     string
	Injections []Injection
	// Check everything after it.
	Check bool
}

func (a Action) String() string {
	text := fmt.Sprintf("%d. %s", a.Number, a.Move)
	switch a.Move {
	case Upgrade:
		text += fmt.Sprintf(" %s to %s", a.After.From, a.After.To)
	case Finalize:
		text += " " + a.After.From
	case Abort:
		text += fmt.Sprintf(" at %s", a.AtStep)
	}
	var injections []string
	for _, s := range a.Injections {
		injections = append(injections, s.String())
	}
	if len(injections) > 0 {
		text += "; " + strings.Join(injections, "; ")
	}
	return text
}

// Options of a plan.
type Options struct {
	Seed uint64
	// Fleet is its number.
	Fleet int
	// Begin is the version that serves at first.
	Begin string
	// Versions to move between, at least two.
	Versions []string
	// CheckEvery so many actions everything is checked.
	CheckEvery int
	// Faults that may be injected; none leaves them out.
	Faults []Fault
}

// Plan of one fleet.
type Plan struct {
	options Options
	random  *rand.Rand
	place   Place
	made    int
}

// New plan.
func New(o Options) *Plan {
	return &Plan{
		options: o, place: Place{State: Settled, From: o.Begin, To: o.Begin},
		random: rand.New(rand.NewPCG(o.Seed, uint64(o.Fleet)+1)),
	}
}

// Next action. The plan takes it as done.
func (p *Plan) Next() Action {
	p.made++
	a := Action{Number: p.made, Before: p.place, Check: p.options.CheckEvery > 0 && p.made%p.options.CheckEvery == 0}
	a.Move = p.move()
	if a.Move == Abort {
		a.AtStep = pick(p.random, AbortSteps)
	}
	a.After = p.after(a)
	if len(p.options.Faults) > 0 {
		a.Injections = p.injections(a)
	}
	p.place = a.After
	return a
}

// move among those that the state allows, each as often as its weight says.
func (p *Plan) move() Move {
	var sum int
	for _, m := range moves {
		if m.in == p.place.State {
			sum += m.weight
		}
	}
	n := p.random.IntN(sum)
	for _, m := range moves {
		if m.in != p.place.State {
			continue
		}
		if n < m.weight {
			return m.move
		}
		n -= m.weight
	}
	panic("the weights do not add up")
}

func (p *Plan) after(a Action) Place {
	here := a.Before
	switch a.Move {
	case Upgrade:
		others := make([]string, 0, len(p.options.Versions))
		for _, v := range p.options.Versions {
			if v != here.From {
				others = append(others, v)
			}
		}
		return Place{State: Soaking, From: here.From, To: pick(p.random, others)}
	case Revert:
		return Place{State: RolledBack, From: here.From, To: here.To}
	case Rerevert, Retry:
		return Place{State: Soaking, From: here.From, To: here.To}
	case Finalize:
		return Place{State: Settled, From: here.To, To: here.To}
	}
	return Place{State: Settled, From: here.From, To: here.From}
}

// injections of an action: mostly one or none.
func (p *Plan) injections(a Action) []Injection {
	count := []int{0, 0, 1, 1, 1, 1, 1, 1, 2, 2}[p.random.IntN(10)]
	var all []Injection
	for range count {
		all = append(all, p.inject(a))
	}
	return all
}

func (p *Plan) inject(a Action) Injection {
	var possible []Fault
	for _, f := range p.options.Faults {
		if r := rowOf(f); !r.onStandby || a.Before.Standby() != "" {
			for range r.weight {
				possible = append(possible, f)
			}
		}
	}
	fault := pick(p.random, possible) // faults without standby are always among them
	row := rowOf(fault)
	s := Injection{Fault: fault, At: Pushed, Delay: p.between(0, span(a.Move))}
	if row.longest > 0 {
		s.Lasts = p.between(row.shortest, row.longest)
	}
	// the moments that matter most are short: inject right at them, as often as not
	if a.Move.Switches() && p.random.IntN(2) == 0 {
		s.At, s.Delay = pick(p.random, []Moment{Preparing, Holding, Finishing}), p.between(0, 100*time.Millisecond)
	}
	return s
}

// span of a move, within which faults are injected.
func span(m Move) time.Duration {
	switch m {
	case Upgrade, Retry, Abort:
		return 25 * time.Second
	case Finalize, TakeBack, Forget:
		return 12 * time.Second
	}
	return 5 * time.Second
}

func (p *Plan) between(shortest, longest time.Duration) time.Duration {
	return (shortest + time.Duration(p.random.Int64N(int64(longest-shortest)+1))).Round(time.Millisecond)
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }
