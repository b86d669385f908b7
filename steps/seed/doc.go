// Package seed makes green's data directory of a physical copy of blue's, by pg_upgrade, so that logical replication goes on from the
// position that the copy has: faster than a logical copy by as much as a disk is faster than COPY and CREATE INDEX.
//
// Order: publications and slots on blue first (package replication), then the two scripts, one after the other, in a Job
// of two containers: backup.sh in blue's image and upgrade.sh in green's. Then green starts, fenced, and each
// database subscribes from Position.
//
// Why that is exact: logical decoding sends a transaction whose commit record begins at or after the slot's start, and recovery
// stops before the first record that begins at or after its end. With the position that recovery reached as the start, each
// transaction is either in the copy or sent, whatever was in progress, prepared or in a savepoint at that moment. Every
// slot is older than the position, since slots come first.
//
// On failure: the last rename of upgrade.sh is the only effect that counts. Whatever is killed before it begins again from
// nothing and gets another position; blue only sees one more base backup. Nothing is committed to Git before that.
package seed
