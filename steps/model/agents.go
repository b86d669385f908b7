package model

// The dead-man's steps.
const (
	watchAsk uint8 = iota
	watchOpen
	watchForward
	watchBack
)

// watchStep lets the dead-man of one agent act: it may, at any time while a hold is not
// settled, and may fall asleep between its steps.
func (s *state) watchStep(i int, flaw Flaw) {
	a := &s.agents[i]
	switch a.watch {
	case watchAsk:
		if a.sw == 0 || a.settled {
			return
		}
		if flaw == ReleaseBlind {
			a.paused, a.settled = false, true
			return
		}
		a.watchSw = a.sw
		a.watch = watchBack
		if s.sqlAbort(a.sw, flaw) == commit {
			a.watch, a.key = watchOpen, true
		}
		return
	case watchOpen:
		s.sqlOpen(a.watchSw, a.key, flaw)
		a.watch = watchForward
		return
	}
	if a.sw == a.watchSw && !a.settled {
		a.target = s.from[a.sw]
		if a.watch == watchForward {
			a.target = s.to(a.sw)
		}
		a.paused, a.settled = false, true
	}
	a.watch, a.watchSw, a.key = watchAsk, 0, false
}

// agentDies: its container starts again and finds what it remembered, or its pod is replaced
// by one that leads to either side, since its PgProxy may be stale, and serves no client while
// PgProxy shows a switch.
func (s state) agentDies(i int, flaw Flaw) []state {
	if s.crashes >= maxCrashes {
		return nil
	}
	s.crashes++
	again, one, other := s, s, s
	a := &again.agents[i]
	a.watch, a.watchSw, a.key = watchAsk, 0, false
	if flaw == ForgetHold {
		a.sw, a.settled = 0, false
	}
	shown := s.shown()
	one.agents[i] = agent{target: 0, sw: shown, paused: shown != 0}
	other.agents[i] = agent{target: 1, sw: shown, paused: shown != 0}
	return []state{again, one, other}
}

// shown is the switch in PgProxy's status: the last one, from before it began until it is
// over.
func (s *state) shown() uint8 {
	for sw := uint8(len(s.row) - 1); sw > 0; sw-- {
		if s.row[sw] != none {
			if s.row[sw] == open || s.row[sw] == commit && s.entrance[sw] != opened {
				return sw
			}
			return 0
		}
	}
	return 0
}

// join: PgProxy shows a switch to an agent that holds no clients and isn't part of it.
func (s *state) join(i int) {
	a := &s.agents[i]
	if shown := s.shown(); shown != 0 && a.sw != shown && !a.paused {
		a.sw, a.paused, a.settled = shown, true, false
	}
}

// alone is the result of a state if no controller ever comes back and only the dead-men act.
func (s state) alone(flaw Flaw) state {
	const steps = 9 // the rest of an old hold, the present one, and one that is joined
	for range steps {
		for i := range s.agents {
			s.join(i)
			s.watchStep(i, flaw)
		}
	}
	return s
}

// stuck names the harm to clients that would last for ever without a controller, if any.
func (s state) stuck(flaw Flaw) string {
	if s.replaced[0] || s.replaced[1] {
		return s.leftForEver(flaw)
	}
	if !s.agents[0].paused && !s.agents[1].paused {
		return ""
	}
	switch after := s.alone(flaw); {
	case after.agents[0].paused || after.agents[1].paused:
		return "without a controller a pooler holds its clients for ever"
	case after.fenced[0] && after.fenced[1]:
		return "without a controller no side is ever opened"
	}
	return ""
}
