// Package switchover moves traffic between two instances. The agents that stand beside the poolers are in
// steps/agent, what is said to them in steps/agent/protocol.
//
// # Authority
//
// Switch, Recover and Finish do what they are told; whether traffic should move is the
// PgProxy controller's affair. Nothing here writes to the API server.
//
// # A switch, in order
//
// Guard and prepare hold nobody: the rollback path is made (publication, slot and marker table on the new
// side; on the old side, disabled, the subscription, which proves that it reaches the new side), sequences and connection limits are copied ahead, sessions are opened and
// their statements planned, the poolers' next file is written beside the present one, and
// the switch's row is opened in the old side's register. Then, with traffic held:
//
//	Hold    every pooler at once (PAUSE)
//	Fence   the old side, once no pooler begins a statement any more and while what runs ends;
//	        to everybody: superusers can't enter either
//	Clear   sessions left behind the fence are ended, superusers' too, until none is left
//	Move    drain (a marker row), sequences, and the poolers' target, side by side
//	Ready   the new side notes, durably, that it has all; its WAL position L is taken
//	Decide  the old side's register: open -> commit
//	Open    the new side's fence is lifted
//	Resume  every pooler at once
//
// and afterwards Finish: the old side admits replication's workers again, and superusers to
// read; the forward subscription and slot end, the reverse slot is moved to exactly L, the
// old side's subscription begins there.
//
// # Why at most one side is ever open
//
// Two things are durable facts: the fences, and one row in the old side's register
// (steps/postgres/fence/sql/register.sql), which goes from open to abort or to commit once. A
// fence is lifted by two statements only. abort lifts the old side's in the transaction
// that takes the row from open to abort. open lifts the new side's, once for each switch, in
// the transaction that takes the new side's entrance from ready to opened, and asks for a key
// that the old side's register shows with commit only. Since the row can't hold both, both can't
// happen. What could still go wrong, and why it does not:
//
//   - Abort against a late commit: both lock the row; the second reads what the first
//     wrote, and does that.
//   - A commit of a side that is not fenced: commit looks at the limits itself and refuses.
//   - A login that passed the limit just before the fence: Clear waits for the logins that
//     were under way before it counts sessions (steps/postgres/fence/sql/logins_under_way.sql).
//   - A superuser, whom no connection limit binds: the fence allows no connections at all until
//     Finish, which makes transactions read-only by default as it lets superusers in again.
//     admit does nothing while another switch of that side is undecided.
//   - A controller that slept and wakes: fence and Clear look at the row under its lock and
//     do nothing unless it is open. Setting sequences or poolers late does harm only if
//     another switch is in progress by then; that one has ended the sleeper's sessions
//     (TakeOver) before it began, a run never opens a session twice, and agents refuse
//     the id of a switch that is over.
//   - A second switch while an agent of the first wakes up: begin refuses while another
//     row is open, and closes entrances that nobody used. The agent's abort finds its own row
//     decided; its open finds the entrance opened or closed, and lifts nothing.
//   - open for an old switch after a newer one led back: opened stays opened; the second
//     call lifts nothing.
//   - The new side crashes between the decision and its opening: Ready was a synchronous
//     commit after the drain and the sequences, so nothing that was applied is lost.
//   - An abort for a switch whose row is unknown leaves an aborted row and lifts nothing:
//     a controller that begins late finds itself refused.
//
// steps/model searches all interleavings of controllers, agents, crashes and lost
// messages for a violation.
//
// # What happens on failure
//
// Any failure before Decide undoes the switch within the limit: the register is aborted,
// poolers get their old target back and resume. After Decide it goes forward only. When the
// controller dies, each agent goes to the register by itself, at once when its connection ends and else at limit-margin: an
// undecided switch is aborted, a decided one is followed. When the register doesn't
// answer until the limit, clients are let go to wherever the pooler leads: at worst a
// fenced side refuses them; the agent goes on asking. Recover, called by whoever takes
// over, ends all of these in one of two states, Aborted or Committed.
package switchover
