// Package replication makes, watches and removes what carries rows from one server to another: publications, slots,
// subscriptions, replica identities, and the marker rows that tell how far the other side has come.
//
// Names follow from the upgrade's UID, so a second run finds the first one's work. What is made on a publisher is removed also
// when the subscriber is gone. Tables of a serving database are never emptied.
package replication
