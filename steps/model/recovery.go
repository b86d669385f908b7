package model

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

// again lets the second controller, after it has ended the first one's switch, run another:
// back if that one went forward, the same way if not. It waits until its sessions open and the
// rollback path is there.
func (s *state) again(i int) bool {
	c := &s.controllers[i]
	if s.standbys != noStandbys && c.pc != stepAborted && c.sw == s.last && s.row[c.sw] == commit && s.entrance[c.sw] == none {
		c.pc, c.key = stepOpenLate, true // as it maintains the side that serves
		return true
	}
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
	if s.standbys != noStandbys {
		s.controllers[i] = controller{pc: stepLook, sw: 2}
	}
	return true
}
