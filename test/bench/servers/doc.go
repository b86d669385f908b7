// Package servers measures what Gitover asks of PostgreSQL servers: the check, the comparison of schemas, sequences and
// the verification of rows, each beside what PostgreSQL's own programs or queries take in the same run.
package servers
