package agent

import (
	"context"

	"github.com/gitover/gitover/steps/agent/protocol"
)

// Active is where traffic belongs, by PgProxy's status.
type Active struct {
	// Target that is active. Its host is empty until the proxy has been observed once.
	Target protocol.Target
	// Switch in progress, if one is.
	Switch *ActiveSwitch
}

// ActiveSwitch is a switch in progress.
type ActiveSwitch struct {
	ID string
	// Holding: traffic is, or is about to be, held. False while it is only prepared.
	Holding bool
	To      protocol.Target
	// Limits that PgProxy's spec sets, for an agent that no controller's request tells them.
	Limits protocol.HoldLimits
}

// Source tells an agent what is active.
type Source interface {
	// Run calls seen with the active instance now and after every change, one call at a time,
	// until ctx ends. It continues by itself when the source can't be reached.
	Run(ctx context.Context, seen func(Active)) error
}
