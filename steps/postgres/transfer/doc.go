// Package transfer copies what replication doesn't carry: roles, databases and their settings, sequences, large objects,
// unlogged tables, and the contents of materialized views. It also collects planner statistics.
//
// Each function makes the side that follows equal and may be called again. What is copied in a switch is copied in one
// transaction that refuses a database that applications may write to.
package transfer
