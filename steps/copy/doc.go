// Package copy moves schemas with PostgreSQL's own pg_dump and pg_restore, in a Kubernetes
// Job that runs the newer server's image.
//
// Authority: it builds the Job and the script that runs in it; package steps creates and
// watches Jobs. The newer version's programs are used whichever way the upgrade goes: pg_dump
// refuses servers newer than itself. A Job does its half of the schema in one transaction
// and looks first, so that a killed Job leaves nothing and a second one is harmless.
package copy
