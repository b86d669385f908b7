// Package schema compares the schemas of two databases by meaning, and makes the statements that make them equal.
//
// Objects are read by name and matched; texts that differ are read and printed by a server (judge.go), of temporary objects in
// transactions that are rolled back. A CatalogSnapshot tells cheaply whether anything changed since. It only reads, except for
// ApplyDDL.
package schema
