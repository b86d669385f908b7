// Package model searches every interleaving of the switch's protocol for a state in which
// two sides accept writes, or in which the open side lacks a row or a sequence value. It also
// searches for a state from which, if no controller came back, the agents would not release
// clients to an open side.
//
// There are two servers, two agents, and controllers that may pause before any step and
// continue at any later time. A second controller takes over at any time, ends the first one's
// switch and runs another, back or once more. Agents pause, too, and restart with their state
// files; pooler pods are replaced. Servers crash and lose what they applied without a
// synchronous commit. Applications log in wherever there is no fence and write whenever they
// have a session, as if all of them bypassed the poolers; superusers wherever they may connect
// and write.
//
// In a smaller search (older*.go) a standby replaces a server, once: a synchronous one, or one that stopped following at
// any moment. Then no row that was confirmed to a client may be missing on a side that lets it in, and a controller that
// comes back opens a side, unless the side that the decision chose lacks rows. A standby that no commit waits for may forget the
// decision of the server that it replaces: then two sides are open, until a controller comes back.
//
// The register's functions are those of steps/postgres/fence/sql/register.sql, line by line; the
// controllers' steps are those of Switch and Recover in steps/switchover. A change there belongs
// here, too; a test compares the functions with the real ones on real servers. A Flaw leaves out
// a protection: the search must find what it prevents.
package model
