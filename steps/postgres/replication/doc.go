// Package replication creates, watches and removes what carries rows from one server to another: publications,
// slots, subscriptions, replica identities, and the marker rows that show the other side's progress.
//
// Names derive from the upgrade's UID, so a second run finds the first one's work. Objects on a publisher are removed also
// when the subscriber is gone. Tables of a serving database are never emptied.
package replication
