// Package parallel has databases copied by Jobs that run `gitover copy` in the cluster, and hands over to replication.
//
// Authority: it looks at Jobs and at the record that a copy keeps on green (package tablecopy), makes and deletes Jobs, and subscribes a database that
// is copied. Package steps decides when.
//
// # What says how far a copy is
//
// The record on green, never the Job: its row says finished once rows, indexes and statistics are on green's disk. The subscription is made in one
// transaction with the end of the record, each table from the position at which it was copied. So a database has a record, or a subscription, or
// neither, if its copy hasn't begun.
//
// # Failures
//
// A pod that dies, a server that restarts, a cut network: the copy waits, or another pod of the Job continues it. A Job that has failed stays until
// another attempt is asked for; its successor continues from the same record. A Job makes no slot, and ends when its slot is gone.
package parallel
