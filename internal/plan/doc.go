// Package plan says what an upgrade would do before it is asked for: what the preflight finds, what Gitover would commit, what
// Flux would then apply, how long the copy takes, what both servers need, and what a rollback costs. It changes nothing: files
// are edited in memory, by the code that makes the commits, and servers are only read.
//
// Numbers that can't be known beforehand are estimates, and each says where it comes from.
package plan
