package model

// Row states of a switch in the register of the side that it leaves.
const (
	none uint8 = iota
	open
	abort
	commit
)

// States of an incoming switch on the side that it leads to.
const (
	ready uint8 = iota + 1
	opened
	closed
)

// refused is the answer of a function that raised an error and did nothing.
const refused uint8 = 255

// Flaw is a protection that is left out.
type Flaw string

// Flaws, each of which the search must notice.
const (
	NoFlaw           Flaw = ""
	FenceUnasked     Flaw = "fence does not look at the switch's row"
	OpenTwice        Flaw = "open lifts the fence whenever it is called"
	OpenKeyless      Flaw = "open does not ask for the key that comes with commit"
	NoReady          Flaw = "the new side is opened without a synchronous commit after the drain"
	NoTakeOver       Flaw = "a run does not end the sessions of the one before"
	NoClear          Flaw = "sessions behind the fence are left alone"
	NotShut          Flaw = "superusers are not fenced"
	AdmitWritable    Flaw = "superusers may write where replication is admitted"
	AbortAfterCommit Flaw = "abort lifts the fence whatever stands"
	ForgetHold       Flaw = "an agent that starts again doesn't know that its pooler is held"
	ReleaseBlind     Flaw = "an agent whose controller is silent lets clients go without asking the register"

	// Where a server comes back older.
	NoIdentity     Flaw = "the guard does not ask who answers"
	NoReopen       Flaw = "a new side that forgot its opening is left alone"
	ReadyUnasked   Flaw = "a new side that forgot its opening is opened whatever it lacks"
	NoWait         Flaw = "the register's commits do not wait for synchronous standbys"
	BeginFenced    Flaw = "a switch begins on a side that came back closed, and its abort opens that"
	OnlySteady     Flaw = "a side that forgot its opening is left alone while Git wants the other"
	ReadyHole      Flaw = "rows that were confirmed and lost are not missed once the marker behind them is sent again"
	AdmitFirst     Flaw = "the old side admits a reader while the slot of the new side is still there"
	ReadySequences Flaw = "a new side that forgot its sequences is opened with those that it has"
	NoRecheck      Flaw = "a side that forgot that it was left is left open"
)

// agent is a pooler's companion: what it leads to, and its dead-man's switch.
type agent struct {
	target, sw      uint8
	paused, settled bool
	// watch is the dead-man's next step, for the switch watchSw; it has the key or not.
	watch, watchSw uint8
	key            bool
}

// controller runs Switch from step 0, or Recover from settle on.
type controller struct {
	pc, sw uint8
	// sessions are those that the run opened before it began.
	sessions bool
	// read is the sequence value it read on the old side.
	read uint8
	// key: it was given the key to the new side.
	key bool
}

const (
	maxRows    = 1
	maxCrashes = 1
)

// state is the whole state. Index 0 and 1 are the servers; switches are numbered from 1. A
// server that is fenced refuses applications, one that is shut superusers, too; one that is
// readOnly lets those in, and they don't write.
type state struct {
	fenced, session     [2]bool
	shut, readOnly      [2]bool
	rows, durable, seq  [2]uint8
	publisher           uint8
	row, entrance, from [3]uint8
	// own: the switch has fenced its old side itself.
	own         [3]bool
	agents      [2]agent
	controllers [2]controller
	crashes     uint8
	past
}

func initial() state {
	var s state
	s.fenced[1] = true
	s.controllers[0] = controller{pc: stepBegin, sw: 1, sessions: true}
	s.controllers[1] = controller{pc: stepSettle, sw: 1, sessions: true}
	return s
}

func (s *state) to(sw uint8) uint8 { return 1 - s.from[sw] }

// wrong names what is wrong with a state, if anything.
func (s *state) wrong() string {
	if !s.fenced[0] && !s.fenced[1] {
		return "both sides are open"
	}
	if s.standbys != noStandbys {
		return s.wrongOlder()
	}
	if s.fenced[0] && s.fenced[1] && !s.underWay() {
		return "no side is open, and no process is about to open one"
	}
	for u := range uint8(2) {
		if s.fenced[u] {
			continue
		}
		switch {
		case s.session[1-u]:
			return "a session is left behind the fence while the other side is open"
		case s.rows[u] < s.rows[1-u]:
			return "the open side lacks a row"
		case s.seq[u] < s.seq[1-u]:
			return "the open side lacks a sequence value"
		}
	}
	return ""
}

// underWay: a switch is undecided, or its new side is about to be opened.
func (s *state) underWay() bool {
	for sw := range s.row {
		if s.row[sw] == open || s.row[sw] == commit && s.entrance[sw] != opened {
			return true
		}
	}
	return false
}

// The register's functions.

func (s *state) sqlBegin(sw uint8, flaw Flaw) uint8 {
	if s.busy(s.from[sw], sw) || flaw != BeginFenced && s.fenced[s.from[sw]] && s.row[sw] == none {
		return refused
	}
	s.closeReady(s.from[sw], 0)
	if s.row[sw] == none {
		s.row[sw] = open
	}
	return s.row[sw]
}

// busy: a switch away from the server is undecided, other than but.
func (s *state) busy(server, but uint8) bool {
	for other := range s.row {
		if uint8(other) != but && s.row[other] == open && s.from[other] == server {
			return true
		}
	}
	return false
}

func (s *state) closeReady(server, but uint8) {
	for sw := range s.entrance {
		if uint8(sw) != but && sw > 0 && s.to(uint8(sw)) == server && s.entrance[sw] == ready {
			s.entrance[sw] = closed
		}
	}
}

func (s *state) sqlFence(sw uint8, flaw Flaw) uint8 {
	if s.row[sw] == open || flaw == FenceUnasked {
		s.fenced[s.from[sw]], s.shut[s.from[sw]], s.own[sw] = true, true, true
	}
	return s.row[sw]
}

func (s *state) lift(server uint8) {
	s.fenced[server], s.shut[server], s.readOnly[server] = false, false, false
}

func (s *state) sqlAdmit(sw uint8, flaw Flaw) uint8 {
	from := s.from[sw]
	if s.row[sw] == commit && !s.busy(from, 0) && s.fenced[from] && s.shut[from] {
		s.shut[from], s.readOnly[from] = false, flaw != AdmitWritable
	}
	return s.row[sw]
}

func (s *state) sqlAbort(sw uint8, flaw Flaw) uint8 {
	switch {
	case s.row[sw] == none:
		s.row[sw] = abort
	case s.row[sw] == open:
		s.row[sw] = abort
		s.lift(s.from[sw])
	case flaw == AbortAfterCommit:
		s.lift(s.from[sw])
	}
	return s.row[sw]
}

func (s *state) sqlCommit(sw uint8) uint8 {
	if s.row[sw] != open {
		return s.row[sw]
	}
	if !s.own[sw] || !s.fenced[s.from[sw]] || !s.shut[s.from[sw]] {
		return refused
	}
	s.row[sw] = commit
	return commit
}

func (s *state) sqlReady(sw uint8, flaw Flaw) uint8 {
	if s.busy(s.to(sw), 0) {
		return refused
	}
	s.closeReady(s.to(sw), sw)
	if s.entrance[sw] == none {
		s.entrance[sw] = ready
	}
	if flaw != NoReady {
		s.durable[s.to(sw)] = s.rows[s.to(sw)]
		if s.mark[sw]&visible != 0 {
			s.mark[sw] |= durable
		}
	}
	return s.entrance[sw]
}

func (s *state) sqlOpen(sw uint8, key bool, flaw Flaw) uint8 {
	key = key || flaw == OpenKeyless
	if key && (s.entrance[sw] == ready || flaw == OpenTwice && s.entrance[sw] != none) {
		s.entrance[sw] = opened
		s.lift(s.to(sw))
	}
	return s.entrance[sw]
}

// left: a later switch away from the new side has begun and was not aborted.
func (s *state) left(sw uint8) bool {
	for other := int(sw) + 1; other < len(s.row); other++ {
		if s.from[other] == s.to(sw) && s.row[other] != none && s.row[other] != abort {
			return true
		}
	}
	return false
}

// The agents' API.

func (s *state) hold(i int, sw uint8) bool {
	a := &s.agents[i]
	if a.sw == sw && a.settled || a.sw != sw && a.paused || !a.paused && a.target != s.from[sw] {
		return false
	}
	if a.sw != sw {
		a.sw, a.settled = sw, false
	}
	a.paused = true
	return true
}

func (s *state) flip(i int, sw uint8) bool {
	a := &s.agents[i]
	if a.sw != sw || a.settled {
		return a.sw == sw && a.target == s.to(sw)
	}
	a.target = s.to(sw)
	return true
}

func (s *state) resume(i int, sw uint8) bool {
	a := &s.agents[i]
	if a.sw != sw || a.target != s.to(sw) {
		return false
	}
	a.paused, a.settled = false, true
	return true
}

func (s *state) abandon(i int, sw uint8) bool {
	a := &s.agents[i]
	if a.sw != sw {
		return true
	}
	if a.settled {
		return a.target == s.from[sw]
	}
	a.target, a.paused, a.settled = s.from[sw], false, true
	return true
}
