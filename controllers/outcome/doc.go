// Package outcome turns the result of a reconcile, or its error, into conditions, events and the time of the next
// look.
//
// Report alone sets Ready, Reconciling and Stalled. An error that no row of the table knows is transient and tried again,
// each time later; a known one has a reason that the API documents, and its message says what to do.
package outcome
