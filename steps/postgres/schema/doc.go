// Package schema compares what two databases are made of, by meaning, and words the statements that make them equal.
//
// Objects are read by name and matched; texts that differ are read and printed by a server (judge.go), of temporary objects in
// transactions that are rolled back. A CatalogSnapshot tells cheaply whether anything changed since. It only reads: whoever is given the
// statements runs them.
package schema
