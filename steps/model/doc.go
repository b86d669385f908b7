// Package model searches every interleaving of the switch's protocol for a state in which
// two sides accept writes, or the side that does lacks a row or a sequence value, and for one
// from which, if no controller came back, the agents would not let clients go to an open side.
//
// Two servers, two agents, and controllers that may fall asleep before any step and wake
// at any later time; a second one takes over whenever it likes, settles the first one's
// switch and runs another, back or once more. Agents fall asleep, too, and start again with
// what they remembered; pooler pods are replaced. Servers crash and forget what they applied
// without a synchronous commit. Applications log in wherever no fence stands and write
// whenever they have a session, as if every one of them went past the poolers; superusers
// wherever they may enter and write.
//
// A smaller search (older*.go) has a standby take a server's place, once: a synchronous one, or one that stopped to follow
// at any moment. Then nothing that a client was told may be missing where it is let in, and a controller that comes back
// lets in somewhere, unless the side that was decided for lacks rows.
//
// The register's functions are those of steps/postgres/fence/sql/register.sql, line by line; the
// controllers' steps are those of Switch and Recover in steps/switchover. A change there belongs
// here too; a test holds the functions against the real ones on real servers. Flaws are
// protections left out: the search must find what each prevents.
package model
