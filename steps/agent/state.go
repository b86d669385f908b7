package agent

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/gitover/gitover/steps/agent/protocol"
)

// stateFile is the state that survives a restart of the agent's container.
type stateFile struct {
	Target protocol.Target `json:"target"`
	Hold   holdRecord      `json:"hold"`
}

// persist writes the state file; a rename, no sync: it outlives a container, not a node.
// The caller holds mu.
func (a *agent) persist() error {
	content, err := json.Marshal(stateFile{Target: a.target, Hold: a.hold.holdRecord})
	if err != nil {
		return err
	}
	if err := os.WriteFile(a.o.StateFile+".new", content, 0o600); err != nil {
		return fmt.Errorf("write the agent's state: %w", err)
	}
	return os.Rename(a.o.StateFile+".new", a.o.StateFile)
}

// enter moves a hold to a phase and remembers it. The caller holds mu.
func (a *agent) enter(h *hold, phase protocol.HoldPhase) {
	h.Phase = phase
	if err := a.persist(); err != nil {
		a.o.Log.Error("remembering the phase of a switch failed", "switch", h.SwitchID, "phase", phase, "error", err)
	}
}
