// Package conformance has the one suite that every driver passes, on real parts: two PostgreSQL servers that replicate, the
// proxy itself with its agent, clients that write and keep a ledger, and one that opens a connection after the other.
//
// Whatever a driver can't hold, the fence must keep every row: none lost, none doubled, no writes on two sides, and no new
// connection refused for longer than a second. What clients felt is printed; docs/proxies.md has these numbers.
package conformance
