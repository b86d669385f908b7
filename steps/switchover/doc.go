// Package switchover moves traffic between two instances. The agents that run beside the poolers are in
// steps/agent, their protocol in steps/agent/protocol.
//
// # Authority
//
// Switch, Recover and Finish do what their caller asks; the PgProxy controller decides whether
// traffic should move. Nothing here writes to the API server.
//
// # A switch, in order
//
// Guard and prepare don't hold traffic. They make the rollback path (publication, slot and marker table on the new side; on the
// old side, disabled, the subscription, which proves that the old side reaches the new one), copy sequences and connection limits
// ahead, open sessions and plan their statements, write the poolers' next file beside the current one, and open the switch's row
// in the old side's register. Then, with traffic held:
//
//	Hold    every pooler at once (PAUSE)
//	Fence   the old side, once no pooler begins a statement any more, while running ones end;
//	        for all roles: superusers can't connect either
//	Clear   sessions left behind the fence are ended, also superusers', until none is left
//	Move    drain (a marker row), sequences, and the poolers' target, in parallel
//	Ready   the new side records, durably, that it has everything; its WAL position L is read
//	Decide  the old side's register: open -> commit
//	Open    the new side's fence is lifted
//	Resume  every pooler at once
//
// and afterwards Finish: the old side lets replication workers connect again, and superusers
// for reading; the forward subscription and slot are removed, the reverse slot is moved to
// exactly L, and the old side's subscription begins there.
//
// # Why at most one side is ever open
//
// Two facts are durable: the fences, and one row in the old side's register
// (steps/postgres/fence/sql/register.sql), which goes from open to abort or to commit once. Only
// two statements lift a fence. abort lifts the old side's in the transaction that changes the
// row from open to abort. open lifts the new side's, once for each switch, in the transaction
// that changes the new side's incoming switch from ready to opened; it needs a key that the old
// side's register returns with commit only. Since the row can't hold both decisions, only one
// fence is lifted. These cases could still go wrong, but don't:
//
//   - Abort against a late commit: both lock the row; the second reads the decision of the
//     first, and follows it.
//   - A commit of a side that is not fenced: commit checks the limits itself and refuses.
//   - A login that passed the limit just before the fence: Clear waits for the logins that
//     were in progress before it counts sessions (steps/postgres/fence/sql/logins_under_way.sql).
//   - A superuser, who isn't bound by a connection limit: the fence allows no connections at all
//     until Finish, which makes transactions read-only by default when it lets superusers in again.
//     admit does nothing while another switch of that side is undecided.
//   - A controller that was paused and continues: fence and Clear read the row under its lock and
//     do nothing unless it is open. Setting sequences or poolers late does harm only if another
//     switch is in progress by then; that switch has ended the paused controller's sessions
//     (TakeOver) before it began, a run never opens a session twice, and agents refuse the id of a
//     switch that is over.
//   - A second switch while a paused agent of the first continues: begin refuses while another
//     row is open, and closes incoming switches that were never opened. The agent's abort finds its
//     own row decided; its open finds the incoming switch opened or closed, and lifts nothing.
//   - open for an old switch after a newer one led back: opened stays opened; the second
//     call lifts nothing.
//   - The new side crashes between the decision and its opening: Ready was a synchronous
//     commit after the drain and the sequences, so nothing that was applied is lost.
//   - An abort for a switch whose row is unknown leaves an aborted row and lifts nothing: a
//     controller that begins late is refused.
//
// steps/model searches all interleavings of controllers, agents, crashes and lost
// messages for a violation.
//
// # What happens on failure
//
// Any failure before Decide undoes the switch within the limit: the register is aborted, poolers get their old target back
// and resume. After Decide it only goes forward. When the controller dies, each agent asks the register by itself, at once
// when its connection ends and otherwise at limit-margin: it aborts an undecided switch, and follows a decided one. If the
// register doesn't answer until the limit, the agent releases clients to wherever the pooler leads: at worst a fenced side
// refuses them; the agent continues to ask. Where no agent is (Input.Alone), the old side's server does it by a function that
// outlives the controller's connections: it aborts an undecided switch; a decided one waits for the next controller. Recover,
// called by the controller that takes over, ends all of these in one of two states, Aborted or Committed.
package switchover
