// Package access answers what an upgrade may reach: the directory of a Git repository, by what Flux delivered from there,
// and the servers of its instances, with the credentials of its Secrets. It reads and never writes; what is refused is an
// outcome.ReasonError that says what to change.
package access
