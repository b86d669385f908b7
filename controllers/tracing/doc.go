// Package tracing tells an OpenTelemetry collector of upgrades and of switches, if the operator asks for it: a trace of each
// upgrade with a span of each of its steps, and a trace of each switch with a span of each of its parts.
//
// The facts are those of the status, and the identifiers are made of it: a controller that takes over in the middle of an
// upgrade sends the spans that are left into the same trace. A step's span is sent when the step ends. Nothing waits for the
// collector: spans that it doesn't take are lost.
package tracing
