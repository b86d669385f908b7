// Package agent is what runs beside a pooler. It writes what PgProxy says is active into the pooler's target file, does
// what a controller with the right certificate asks (steps/agent/protocol), and lets held clients go when the
// controller is gone, or silent: then it asks the old side's register how the switch was decided. It writes
// nothing to the API server.
//
// # A pooler that starts, or an agent that restarts
//
// An agent writes the target file before PgBouncer may start (a native sidecar with a
// startup probe). With a switch in progress a new pooler does not start until the
// register says where clients belong; a running pooler that finds itself outside a switch
// that holds traffic pauses itself and follows the register. An agent's own
// container may restart in a hold: its state file says so and it goes on. Without the API
// server the last file that was written stands.
package agent
