package protocol

import "fmt"

// UnreachableError: a pooler's agent does not answer; worth a retry.
type UnreachableError struct {
	Pooler string
	Cause  error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("pooler %s can't be reached: %v; look at its pod, and whether a network policy keeps the controller from it", e.Pooler, e.Cause)
}

func (e *UnreachableError) Unwrap() error { return e.Cause }

// RefusedError: an agent or its PgBouncer refused; a human must act.
type RefusedError struct{ Pooler, Message string }

func (e *RefusedError) Error() string { return fmt.Sprintf("pooler %s: %s", e.Pooler, e.Message) }

// ReloadError: a pooler did not accept its new target; it kept the old one.
type ReloadError struct{ Pooler, Message string }

func (e *ReloadError) Error() string { return fmt.Sprintf("pooler %s: %s", e.Pooler, e.Message) }

// StaleSwitchError: an agent knows that the switch is over, or is busy with another.
type StaleSwitchError struct{ Pooler, Message string }

func (e *StaleSwitchError) Error() string { return fmt.Sprintf("pooler %s: %s", e.Pooler, e.Message) }
