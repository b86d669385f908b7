// Package fence keeps applications out of a server's databases. It also holds the register in which a switch is decided:
// it says which fence may be lifted.
//
// A fence is a connection limit of 0; during a switch a database allows no connections at all. Each server's register holds
// the decision (sql/register.sql); nothing here depends on the memory of a process, so another caller can continue after a
// crash. A call that finds its own work done succeeds; a call for a switch that is over fails and changes nothing.
package fence
