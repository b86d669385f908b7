// Package fence keeps applications out of a server's databases, and holds the register in which a switch is decided: who
// may lift which fence, and who took it over.
//
// A fence is a connection limit of 0, and no connections at all while a switch is on. Both servers answer by themselves what
// stands (sql/register.sql); nothing here depends on another process's memory, so a caller that died is replaced by one that
// asks. A call that finds its own work done succeeds; a call of a switch that is over fails and changes nothing.
package fence
