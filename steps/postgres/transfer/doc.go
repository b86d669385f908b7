// Package transfer brings over what replication doesn't: roles, databases and their settings, sequences, large objects, unlogged
// tables, planner statistics and what materialized views hold.
//
// Each function makes the side that follows equal and may be called again. What is copied in a switch is copied in one
// transaction that refuses a database that applications may write to.
package transfer
