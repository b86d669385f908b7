// Package pgbouncer controls one PgBouncer: by its admin console, and by the file that leads
// its databases to an instance.
//
// It relies on this behavior of 1.24: the console supports the simple protocol only. PAUSE
// answers when no server connection is in use any more, but the pause itself begins at once. A
// connection that sent PAUSE stays busy until then, also after a RESUME from another
// connection; closing it cancels nothing. RELOAD reports success on a broken file and keeps
// the former configuration, so Databases is read after it. A RELOAD also moves databases that
// "*" made.
package pgbouncer
