package model

// known is the guard's check of the servers' identities: none was replaced since rows were compared.
func (s *state) known(flaw Flaw) bool {
	return flaw == NoIdentity || !s.replaced[0] && !s.replaced[1]
}

// readyAgain makes an incoming switch again that the new side's register has lost.
func (s *state) readyAgain(sw uint8, flaw Flaw) {
	from, to := s.from[sw], s.to(sw)
	if s.standbys == noStandbys || s.entrance[sw] != none || s.row[sw] != commit || flaw == NoReopen {
		return
	}
	if flaw != ReadyHole && flaw != ReadyUnasked && s.mark[sw]&visible == 0 {
		return
	}
	s.sqlAdmit(sw, flaw)
	if s.mark[sw]&visible == 0 && flaw != ReadyUnasked {
		return
	}
	if flaw != ReadySequences {
		s.seq[to] = max(s.seq[to], s.seq[from])
	}
	s.sqlReady(sw, flaw)
}

// wrongOlder is wrong where servers may have come back older.
func (s *state) wrongOlder() string {
	for u := range uint8(2) {
		switch {
		case s.fenced[u]:
		case s.session[1-u]:
			return "a session is left behind the fence while the other side is open"
		case s.owed && s.rows[u] == 0:
			return "the open side lacks a row"
		case s.owed && s.seq[u] == 0:
			return "the open side lacks a sequence value"
		}
	}
	return ""
}

// leftForEver says what stays broken for ever although a controller, agents and replication do what they can, and nothing else fails.
func (s state) leftForEver(flaw Flaw) string {
	const rounds = 4
	for range rounds {
		for range 9 * s.poolers() {
			s.join(0)
			s.watchStep(0, flaw)
		}
		s.comeBack(flaw)
		for i := range uint8(2) {
			if s.reconnect(i); s.flows(i) && s.pending(i) {
				s.rows[1-i]++
			}
			for sw := range s.mark {
				if s.flows(i) && s.from[sw] == i && s.mark[sw]&(written|visible|confirmed) == written {
					s.mark[sw] |= visible
				}
			}
		}
	}
	switch {
	case !s.fenced[0] && !s.fenced[1]:
		return "two sides stay open for ever"
	case s.fenced[0] && s.fenced[1] && !s.lacks():
		return "no controller ever opens a side again"
	case s.agents[0].paused:
		return "a pooler holds its clients for ever"
	}
	return ""
}

// comeBack makes a controller end the last switch, or maintain the side that serves.
func (s *state) comeBack(flaw Flaw) {
	if flaw == OnlySteady && s.controllers[1].sw == 2 && s.row[2] != commit {
		for sw := uint8(1); sw < 3; sw++ {
			if s.row[sw] == open {
				s.sqlAbort(sw, flaw)
			}
		}
		return
	}
	for sw := s.last; sw > 0; sw-- {
		if s.entrance[sw] != opened && s.sqlAbort(sw, flaw) != commit {
			s.abandon(0, sw)
			continue
		}
		if s.left(sw) {
			return
		}
		s.readyAgain(sw, flaw)
		if s.sqlOpen(sw, s.row[sw] == commit, flaw) == opened {
			s.dropSlot(sw, flaw)
			s.sqlAdmit(sw, flaw)
			for i := range s.poolers() {
				_ = s.hold(i, sw) && s.flip(i, sw) && s.resume(i, sw)
			}
			s.shutAgain(s.from[sw], flaw)
		}
		return
	}
}

// shutAgain closes a side that doesn't serve and forgot that it was left.
func (s *state) shutAgain(i uint8, flaw Flaw) {
	if s.fenced[i] || flaw == NoRecheck {
		return
	}
	s.fenced[i], s.session[i] = true, false
	for sw := uint8(1); sw < 3; sw++ {
		if s.from[sw] == i && s.row[sw] == open {
			s.row[sw] = commit
		}
	}
}

// lacks: the side to which the last decided switch led doesn't have everything that it was sent. People must
// fix that.
func (s *state) lacks() bool {
	for sw := s.last; sw > 0; sw-- {
		if s.row[sw] == commit {
			return s.mark[sw]&visible == 0 || s.owed && s.rows[s.to(sw)] == 0
		}
	}
	return false
}
