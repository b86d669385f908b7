package model

// Standbys that servers have. With some, one server may come back older, once: a standby takes its place. Nothing else
// crashes then, and there is one pooler, or with asynchronous standbys none, so that the states stay few (with one they
// are 14 million, without an error).
const (
	noStandbys uint8 = iota
	// synchronous: commits that say so are on the standby before they return, as all of the register's are, clients' own,
	// and replication's before it confirms.
	synchronous
	// asynchronous: the standby may lack anything except for a server's record of a decided switch that left it.
	asynchronous
	// forgetful: it may lack that, too.
	forgetful
)

// Bits of a switch's marker, the row that the old side writes behind its fence.
const (
	written uint8 = 1 << iota
	visible
	confirmed
	durable
)

// moment is a former content of a server's WAL, for the standby that stopped there.
type moment struct {
	of                       uint8 // the server and one; 0 for none
	fenced, shut, readOnly   bool
	rows, seq                uint8
	row, entrance, own, mark [3]uint8
}

// past is the additional state of a search about older servers.
type past struct {
	standbys uint8
	standby  moment
	replaced [2]bool
	// reconnected: replication continues since.
	reconnected bool
	// dropped: nothing reads the slot of the present direction any more, or ever will.
	dropped bool
	// row 1 was written on this server (and one) since the present direction of replication began, and was confirmed.
	writer    uint8
	confirmed bool
	// owed: a client was told that row 1 and its sequence value are there, and no server that served has lost them.
	owed bool
	mark [3]uint8
	// last switch that PgProxy's status knows.
	last uint8
}

func initialWith(standbys uint8, flaw Flaw) state {
	if standbys == synchronous && flaw == NoWait {
		standbys = forgetful
	}
	s := initial()
	s.standbys, s.crashes = standbys, maxCrashes
	s.controllers[0] = controller{pc: stepLook, sw: 1}
	return s
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// momentOf a server, now.
func (s *state) momentOf(i uint8) moment {
	m := moment{of: i + 1, fenced: s.fenced[i], shut: s.shut[i], readOnly: s.readOnly[i], rows: s.rows[i], seq: s.seq[i]}
	for sw := uint8(1); sw < 3; sw++ {
		if s.from[sw] == i {
			m.row[sw], m.own[sw], m.mark[sw] = s.row[sw], bit(s.own[sw]), s.mark[sw]&written
		} else {
			m.entrance[sw], m.mark[sw] = s.entrance[sw], s.mark[sw]&visible
		}
	}
	return m
}

// forgets says whether a server in this moment lacks its record of a decided switch that left it.
func (s *state) forgets(m moment) bool {
	i := m.of - 1
	for sw := uint8(1); sw < 3; sw++ {
		if s.from[sw] == i && s.row[sw] == commit && (m.row[sw] != commit || s.fenced[i] && !m.fenced || s.shut[i] && !m.shut) {
			return true
		}
	}
	return false
}

// becomeOlder replaces a server by a standby as it was in a moment.
func (s *state) becomeOlder(m moment) {
	i := m.of - 1
	s.fenced[i], s.shut[i], s.readOnly[i], s.rows[i], s.seq[i] = m.fenced, m.shut, m.readOnly, m.rows, m.seq
	for sw := uint8(1); sw < 3; sw++ {
		if s.from[sw] == i {
			s.row[sw], s.own[sw] = m.row[sw], m.own[sw] != 0
			s.mark[sw] = s.mark[sw]&^written | m.mark[sw]
		} else {
			s.entrance[sw] = m.entrance[sw]
			s.mark[sw] = s.mark[sw]&^visible | m.mark[sw]
		}
	}
	if s.rows[i] == 0 && s.writer == i+1 {
		s.owed = false // where no switch is in progress its client loses it, too
	}
	s.durable[i], s.session[i], s.replaced[i] = s.rows[i], false, true
	s.standby = moment{}
	for c := range s.controllers {
		s.controllers[c].sessions = false
	}
}

// older is the state in which a standby replaces its server.
func (s state) older(i uint8) (all []state) {
	if s.replaced[0] || s.replaced[1] {
		return nil
	}
	m := s.standby
	switch {
	case s.standbys == synchronous:
		m = s.momentOf(i)
		m.rows = s.durable[i]
		for sw := range m.mark {
			if s.mark[sw]&durable == 0 {
				m.mark[sw] &^= visible
			}
		}
	case m.of != i+1, s.standbys == asynchronous && s.forgets(m):
		return nil
	}
	s.becomeOlder(m)
	return append(all, s)
}

// missed is the state after a step for a standby that stopped just before it; ok if the step changed what a server has.
func (s state) missed(before *state) (_ state, ok bool) {
	if s.standbys <= synchronous || s.standby.of != 0 || s.replaced[0] || s.replaced[1] {
		return s, false
	}
	for i := range uint8(2) {
		if m := before.momentOf(i); m != s.momentOf(i) {
			s.standby = m
			return s, true
		}
	}
	return s, false
}

// flows says whether replication from a server continues. Slots are lost with a primary, and their readers with them; the next
// reader begins unless a fence refuses all connections.
func (s *state) flows(from uint8) bool {
	return s.publisher == from && !s.dropped && !s.replaced[from] && (!s.replaced[1-from] || s.reconnected)
}

// reconnect begins to read a slot instead of a primary that is gone.
func (s *state) reconnect(from uint8) {
	if s.publisher == from && !s.dropped && s.replaced[1-from] && !s.shut[from] {
		s.reconnected = true
	}
}

// pending: row 1 is to be sent.
func (s *state) pending(from uint8) bool {
	return s.writer == from+1 && s.rows[from] > s.rows[1-from] && !s.confirmed
}

// replicate returns the states after replication's next steps from a server. Rows arrive in order, and confirmed ones are not
// sent again.
func (s state) replicate(from uint8) (all []state) {
	if !s.flows(from) {
		s.reconnect(from)
		return append(all, s)
	}
	if s.pending(from) {
		t := s
		t.rows[1-from]++
		return append(all, t)
	}
	for sw := range s.mark {
		if sw == 0 || s.from[sw] != from {
			continue
		}
		if s.mark[sw]&(written|visible|confirmed) == written {
			t := s
			t.mark[sw] |= visible
			all = append(all, t)
		}
		if s.mark[sw]&(visible|confirmed) == visible {
			t := s
			t.mark[sw] |= confirmed | durable
			t.confirm(from)
			all = append(all, t)
		}
	}
	t := s
	t.confirm(from)
	return append(all, t)
}

func (s *state) confirm(from uint8) {
	if s.rows[1-from] > 0 && s.writer == from+1 {
		s.confirmed = true
		s.durable[1-from] = s.rows[1-from]
	}
}

// turnAround is the effect of a change of direction: rows from before it are not sent.
func (s *state) turnAround(to uint8) {
	if s.publisher != to && s.standbys != noStandbys {
		s.dropped = false
		s.confirmed = false
		if s.writer != to+1 {
			s.writer = 0
		}
	}
	s.publisher = to
}

// dropSlot is what Finish does before the old side allows connections, also if the new side was replaced after Finish
// checked whether it is open.
func (s *state) dropSlot(sw uint8, flaw Flaw) {
	if s.standbys != noStandbys && flaw != AdmitFirst && s.publisher == s.from[sw] && s.row[sw] == commit && !s.left(sw) {
		s.dropped = true
	}
}
