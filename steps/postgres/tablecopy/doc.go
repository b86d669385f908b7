// Package tablecopy copies the rows of tables from one server to another of any version: in parallel, resumably, each row once.
//
// # One moment
//
// All rows are those of one moment of the source: a snapshot that one session, the holder, keeps open and every worker imports. With a
// replication slot (Options.Slot) the moment has a position in the source's WAL: a temporary slot, made for this, has both. What is
// committed from that position on is in the slot, and a subscription applies it (Follow).
//
// # What is done is written down
//
// gitover.copy_part on the target has a row for each part of a table. The transaction that writes a part's rows also marks it done, and fails
// unless it was undone: whatever dies, and whoever else copies, a row is never there twice. A part that isn't marked is copied again.
//
// # When the moment is lost
//
// A snapshot ends with the sessions that have it: with the process, or when the source restarts. Rows of another moment don't fit those that
// are there. Without a slot the copy therefore begins again, from empty tables. With a slot it continues: tables that are done keep their
// moment, all others get a new one, later than the slot, and Follow tells the subscription the position of each table. PostgreSQL's apply worker
// skips what it reads of a table before that (pg_subscription_rel, state s), exactly as after its own table synchronization. A table in
// several parts is of one moment: if that is lost halfway, the table is emptied and copied again.
//
// Until the subscription has applied everything up to the last of these positions, tables of different moments don't fit each other, so that a
// foreign key may not hold; within one moment all hold.
//
// # What it leaves alone
//
// Sequences, large objects, schemas. On the source it takes the lock of a SELECT for as long as a batch of tables takes. If a table's file is
// replaced meanwhile (TRUNCATE, a rewriting ALTER TABLE), the snapshot doesn't have its rows any more: the copy notices that.
package tablecopy
