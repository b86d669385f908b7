// Package pgbouncer speaks to one PgBouncer: its admin console, and the file that leads
// its databases to an instance.
//
// Facts that it rests on, seen on 1.24: the console knows the simple protocol only. PAUSE
// answers when no server connection is in use any more, and the pause itself begins at
// once. A connection that sent PAUSE stays busy until then, also past a RESUME from
// another connection; dropping it cancels nothing. RELOAD says success on a broken file
// and keeps what it had, so Databases is read after it. A RELOAD also moves databases
// that "*" made.
package pgbouncer
