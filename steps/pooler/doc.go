// Package pooler is what an agent knows about the proxy beside it: where it leads, and how it is held. Each driver has a
// package beneath this one; test/conformance tries all of them in the same way.
//
// # What a driver is free to do
//
// Safety doesn't rest on a driver: the fences and the decision register keep every row (steps/switchover). What drivers differ
// in is what clients feel. PgBouncer in transaction pooling holds clients between their transactions, so that none of them
// notices. Other proxies only pass connections on: theirs are closed by the fence, and a hold lets no new one through
// meanwhile.
package pooler
