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
	// Around stepBegin, where servers may be replaced: the guard, the sessions, and a second look before the hold.
	stepLook
	stepPrepare
	stepLate
)

// next returns every state that one step of any process leads to.
func (s state) next(flaw Flaw) []state {
	var all []state
	add := func(t state) {
		if t == s {
			return
		}
		all = append(all, t)
		if u, ok := t.missed(&s); ok {
			all = append(all, u)
		}
	}
	for i := range s.controllers {
		t := s
		if t.control(i, flaw) {
			add(t)
		}
		if pc := s.controllers[i].pc; pc > stepBegin && pc <= stepDecide || pc > stepLook {
			t := s
			t.controllers[i].pc = stepSettle
			add(t)
		}
	}
	for i := range s.agents[:s.poolers()] {
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
	// A client with the agents' password may call open at any time, without a key.
	for sw := 1; sw < len(s.row); sw++ {
		t := s
		t.sqlOpen(uint8(sw), false, flaw)
		add(t)
	}
	return all
}

// mayWrite: an application or a superuser can log in there and write.
func (s *state) mayWrite(i uint8, flaw Flaw) bool {
	superuser := s.publisher == i && (!s.shut[i] || flaw == NotShut) && !s.readOnly[i]
	return !s.fenced[i] || superuser
}

// world has the steps that servers and applications make by themselves.
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
		if s.standbys != noStandbys {
			t.writer, t.owed, t.confirmed = i+1, true, false
		}
		all = append(all, t)
	}
	if s.standbys != noStandbys {
		return append(append(all, s.replicate(i)...), s.older(i)...)
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

// control makes a controller's next step; false if it has none, or must wait.
func (s *state) control(i int, flaw Flaw) bool {
	c := &s.controllers[i]
	if !c.sessions && (c.pc > stepBegin && c.pc <= stepOpen && needsSession(c.pc) || s.standbys != noStandbys && c.pc == stepBegin) {
		c.pc = stepSettle
		return true
	}
	ok := true
	from, to := s.from[c.sw], s.to(c.sw)
	switch c.pc {
	case stepLook:
		if !s.known(flaw) || s.fenced[from] {
			return false
		}
		// From here on PgProxy's status has the switch.
		c.pc, s.last = stepPrepare, max(s.last, c.sw)
		return true
	case stepPrepare:
		s.takeOver(i, flaw)
		c.sessions, c.pc = true, stepBegin
		return true
	case stepLate:
		ok = s.known(flaw)
	case stepBegin:
		s.takeOver(i, flaw)
		ok = s.sqlBegin(c.sw, flaw) == open
	case stepHold0, stepHold1:
		ok = s.hold(int(c.pc-stepHold0), c.sw)
	case stepFence:
		ok = s.sqlFence(c.sw, flaw) == open || flaw == FenceUnasked
	case stepClear:
		if s.row[c.sw] == open && flaw != NoClear {
			s.session[from] = false
		}
	case stepDrain:
		if s.standbys != noStandbys {
			s.mark[c.sw] |= written
			if s.mark[c.sw]&visible == 0 {
				return true
			}
		} else if s.rows[to] < s.rows[from] {
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
		if c.pc == stepOpenLate {
			s.readyAgain(c.sw, flaw)
		}
		if ok = s.sqlOpen(c.sw, c.key, flaw) == opened; !ok && c.pc == stepOpenLate {
			return true
		}
	case stepAdmit, stepAdmitLate:
		s.dropSlot(c.sw, flaw)
		s.sqlAdmit(c.sw, flaw)
	case stepResume0, stepResume1:
		ok = s.resume(int(c.pc-stepResume0), c.sw)
	case stepFinish, stepFinishLate:
		if s.entrance[c.sw] == opened && !s.left(c.sw) {
			s.turnAround(to)
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
	next := c.pc + 1
	switch {
	case c.pc == stepLate:
		next = stepHold0
	case c.pc == stepBegin && s.standbys != noStandbys:
		next = stepLate
	}
	for s.skips(next) {
		next++
	}
	c.pc = next
	return true
}

// poolers that exist.
func (s *state) poolers() int {
	switch s.standbys {
	case noStandbys:
		return len(s.agents)
	case synchronous:
		return 1
	}
	return 0
}

// skips a step that asks a pooler that doesn't exist.
func (s *state) skips(pc uint8) bool {
	switch pc {
	case stepHold0, stepFlip0, stepResume0, stepAbort0, stepForward0:
		return s.poolers() < 1
	case stepHold1, stepFlip1, stepResume1, stepAbort1, stepForward1:
		return s.poolers() < 2
	}
	return false
}

func needsSession(pc uint8) bool {
	switch pc {
	case stepHold0, stepHold1, stepFlip0, stepFlip1:
		return false
	}
	return true
}
