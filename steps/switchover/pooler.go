package switchover

import (
	"context"

	"github.com/gitover/gitover/steps/agent/protocol"
)

// Pooler is one pooler, as the switch sees it: a protocol.Client, or a fake in tests. Every
// method may be called again; a switch that is over is refused with StaleSwitch.
type Pooler interface {
	// Name for messages: the pod's.
	Name() string
	// State reads the state of the pooler and its agent.
	State(ctx context.Context) (protocol.PoolerState, error)
	// Stage announces a switch.
	Stage(ctx context.Context, request protocol.StageRequest) error
	// Hold holds clients: it calls entered when no statement begins any more, and returns
	// when none runs any more.
	Hold(ctx context.Context, request protocol.HoldRequest, entered func()) error
	// Flip leads held clients to the new side, without releasing them.
	Flip(ctx context.Context, switchID string) error
	// Resume releases clients to the new side.
	Resume(ctx context.Context, switchID string) error
	// Abort releases clients to the old side.
	Abort(ctx context.Context, switchID string) error
}
