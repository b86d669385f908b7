package protocol

import "fmt"

// Unreachable: a pooler's agent does not answer; worth a retry.
type Unreachable struct {
	Pooler string
	Cause  error
}

func (e *Unreachable) Error() string {
	return fmt.Sprintf("pooler %s can't be reached: %v; look at its pod, and whether a network policy keeps the controller from it", e.Pooler, e.Cause)
}

func (e *Unreachable) Unwrap() error { return e.Cause }

// PoolerRefused: an agent or its PgBouncer said no; a human must act.
type PoolerRefused struct{ Pooler, Message string }

func (e *PoolerRefused) Error() string { return fmt.Sprintf("pooler %s: %s", e.Pooler, e.Message) }

// ReloadFailed: a pooler did not take its new target; it kept the old one.
type ReloadFailed struct{ Pooler, Message string }

func (e *ReloadFailed) Error() string { return fmt.Sprintf("pooler %s: %s", e.Pooler, e.Message) }

// StaleSwitch: an agent knows that the switch is over, or is busy with another.
type StaleSwitch struct{ Pooler, Message string }

func (e *StaleSwitch) Error() string { return fmt.Sprintf("pooler %s: %s", e.Pooler, e.Message) }
