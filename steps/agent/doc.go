// Package agent runs beside a pooler. It writes the active instance, as PgProxy has it, into the pooler's target file,
// and does what a controller with the right certificate asks (steps/agent/protocol). When the controller is gone or
// silent, it releases held clients: it then asks the old side's register how the switch was decided. It writes nothing
// to the API server.
//
// # A pooler that starts, or an agent that restarts
//
// An agent writes the target file before PgBouncer may start (a native sidecar with a
// startup probe). During a switch a new pooler does not start until the register says where
// clients belong. A running pooler that isn't part of a switch that holds traffic pauses
// itself and follows the register. If the agent's own container restarts in a hold, it reads
// its state file and continues. Without the API server the file that was written last stays.
package agent
