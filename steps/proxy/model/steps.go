package model

// Steps of a controller: Switch, then Recover's from stepSettle on.
const (
	stepBegin uint8 = iota
	stepHold0
	stepHold1
	stepFence
	stepClear
	stepDrain
	stepReadSequences
	stepSetSequences
	stepFlip0
	stepFlip1
	stepReady
	stepDecide
	stepOpen
	stepResume0
	stepResume1
	stepAdmit
	stepFinish
	stepDone
	stepSettle
	stepAbort0
	stepAbort1
	stepAborted
	stepOpenLate
	stepForward0
	stepForward1
	stepAdmitLate
	stepFinishLate
	stepCommitted
)

// The dead-man's steps.
const (
	watchAsk uint8 = iota
	watchOpen
	watchForward
	watchBack
)

// next gives every state that one step of anybody leads to.
func (s state) next(flaw Flaw) []state {
	var all []state
	add := func(t state) {
		if t != s {
			all = append(all, t)
		}
	}
	for i := range s.controllers {
		t := s
		if t.control(i, flaw) {
			add(t)
		}
		if pc := s.controllers[i].pc; pc > stepBegin && pc <= stepDecide {
			t := s
			t.controllers[i].pc = stepSettle
			add(t)
		}
	}
	for i := range s.agents {
		t := s
		t.watchStep(i, flaw)
		add(t)
		if s.agents[i].paused {
			t := s
			t.agents[i].paused = false
			add(t)
		}
		for _, t := range s.agentDies(i, flaw) {
			add(t)
		}
		t = s
		t.join(i)
		add(t)
	}
	for i := range uint8(2) {
		for _, t := range s.world(i, flaw) {
			add(t)
		}
	}
	// Whoever has the agents' password may call open whenever he likes, without a key.
	for sw := 1; sw < len(s.row); sw++ {
		t := s
		t.sqlOpen(uint8(sw), false, flaw)
		add(t)
	}
	return all
}

// mayWrite: somebody can log in there and write, an application or a superuser.
func (s *state) mayWrite(i uint8, flaw Flaw) bool {
	superuser := s.publisher == i && (!s.shut[i] || flaw == NotShut) && !s.readOnly[i]
	return !s.fenced[i] || superuser
}

// world is what servers and applications do by themselves.
func (s state) world(i uint8, flaw Flaw) []state {
	var all []state
	if s.mayWrite(i, flaw) {
		t := s
		t.session[i] = true
		all = append(all, t)
	}
	if s.session[i] && s.rows[i] < maxRows {
		t := s
		t.rows[i]++
		t.seq[i]++
		t.durable[i] = t.rows[i]
		all = append(all, t)
	}
	if s.publisher == i && s.rows[1-i] < s.rows[i] {
		t := s
		t.rows[1-i]++
		all = append(all, t)
	}
	if s.crashes < maxCrashes {
		t := s
		t.crashes++
		t.rows[i], t.session[i] = t.durable[i], false
		for c := range t.controllers {
			t.controllers[c].sessions = false
		}
		all = append(all, t)
	}
	return all
}

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
// by one that leads to either side, since its PgProxy may be stale, and serves nobody while
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

// shown is the switch in PgProxy's status: the last one, which was written there before it
// began, until it is over.
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

// join: PgProxy shows an agent that holds nobody a switch which it isn't part of.
func (s *state) join(i int) {
	a := &s.agents[i]
	if shown := s.shown(); shown != 0 && a.sw != shown && !a.paused {
		a.sw, a.paused, a.settled = shown, true, false
	}
}

// alone is what becomes of a state when no controller ever comes back: the dead-men act, and
// nobody else does.
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

// stuck names what clients would suffer for ever without a controller, if anything.
func (s state) stuck(flaw Flaw) string {
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

// control takes a controller's next step; false when it has none, or must wait.
func (s *state) control(i int, flaw Flaw) bool {
	c := &s.controllers[i]
	if c.pc > stepBegin && c.pc <= stepOpen && needsSession(c.pc) && !c.sessions {
		c.pc = stepSettle
		return true
	}
	ok := true
	from, to := s.from[c.sw], s.to(c.sw)
	switch c.pc {
	case stepBegin:
		s.takeOver(i, flaw)
		ok = s.sqlBegin(c.sw) == open
	case stepHold0, stepHold1:
		ok = s.hold(int(c.pc-stepHold0), c.sw)
	case stepFence:
		ok = s.sqlFence(c.sw, flaw) == open || flaw == FenceUnasked
	case stepClear:
		if s.row[c.sw] == open && flaw != NoClear {
			s.session[from] = false
		}
	case stepDrain:
		if s.rows[to] < s.rows[from] {
			return false
		}
	case stepReadSequences:
		c.read = s.seq[from]
	case stepSetSequences:
		s.seq[to] = c.read
	case stepFlip0, stepFlip1:
		ok = s.flip(int(c.pc-stepFlip0), c.sw)
	case stepReady:
		ok = s.sqlReady(c.sw, flaw) != refused
	case stepDecide:
		ok = s.sqlCommit(c.sw) == commit
		c.key = ok
	case stepOpen, stepOpenLate:
		if ok = s.sqlOpen(c.sw, c.key, flaw) == opened; !ok && c.pc == stepOpenLate {
			return false
		}
	case stepAdmit, stepAdmitLate:
		s.sqlAdmit(c.sw, flaw)
	case stepResume0, stepResume1:
		ok = s.resume(int(c.pc-stepResume0), c.sw)
	case stepFinish, stepFinishLate:
		if s.entrance[c.sw] == opened && !s.left(c.sw) {
			s.publisher = to
		}
	case stepSettle:
		return s.settle(i, flaw)
	case stepAbort0, stepAbort1:
		s.abandon(int(c.pc-stepAbort0), c.sw)
	case stepForward0, stepForward1:
		n := int(c.pc - stepForward0)
		_ = s.hold(n, c.sw) && s.flip(n, c.sw) && s.resume(n, c.sw)
	case stepAborted, stepCommitted, stepDone:
		return s.again(i)
	}
	if !ok {
		c.pc = stepSettle
		return true
	}
	c.pc++
	return true
}

func needsSession(pc uint8) bool {
	switch pc {
	case stepHold0, stepHold1, stepFlip0, stepFlip1:
		return false
	}
	return true
}

func (s *state) takeOver(i int, flaw Flaw) {
	for j := range s.controllers {
		if j != i && flaw != NoTakeOver {
			s.controllers[j].sessions = false
		}
	}
}

// settle is Recover's decision.
func (s *state) settle(i int, flaw Flaw) bool {
	c := &s.controllers[i]
	s.takeOver(i, flaw)
	switch {
	case s.entrance[c.sw] == opened || s.sqlAbort(c.sw, flaw) == commit:
		c.pc, c.key = stepOpenLate, s.row[c.sw] == commit
		if s.left(c.sw) {
			c.pc = stepCommitted
		}
	default:
		c.pc = stepAbort0
	}
	return true
}

// again lets the second controller, done with the first one's switch, run another: back
// if that one went forward, the same way if not. It waits until its sessions open and the
// way back is there.
func (s *state) again(i int) bool {
	c := &s.controllers[i]
	if i != 1 || c.sw != 1 {
		return false
	}
	active := uint8(0)
	if c.pc == stepCommitted {
		active = 1
	}
	if s.fenced[active] || s.publisher != active {
		return false
	}
	s.from[2] = active
	s.controllers[i] = controller{pc: stepBegin, sw: 2, sessions: true}
	return true
}
