package switchover

import (
	"context"
	"fmt"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// OpenWithoutDecision opens the new side of an undecided switch whose old side is lost for good: only the old side's
// register knows the decision and has the key. Call it only when a human gave up the old side in Git. An error says why the new
// side stays closed: the old side answers after all, no agent watched over the switch, a pooler doesn't answer or has released clients to the old side, or the new
// side hadn't recorded that it has every row. Call Recover afterwards. Retry-safe.
func OpenWithoutDecision(ctx context.Context, in Input) error {
	if err := lost(ctx, in.From); err != nil {
		return err
	}
	if in.Alone {
		return fmt.Errorf("%s is not opened: without an agent %s may have undone the switch by itself, and taken writes before it was lost; "+
			"restore %s, or see \"The old side is lost in a switch\" in docs/operations.md", in.To.Instance, in.From.Instance, in.From.Instance)
	}
	for _, p := range in.Poolers {
		state, err := p.State(ctx)
		if err != nil {
			return err // it may release clients to the old side, if that comes back
		}
		if state.SwitchID == in.ID && state.Phase == protocol.PhaseBack {
			return fmt.Errorf("%s is not opened: pooler %s let its clients go back to %s, which may have taken writes since; "+
				"restore %s, or see \"The old side is lost in a switch\" in docs/operations.md", in.To.Instance, p.Name(), in.From.Instance, in.From.Instance)
		}
	}
	to, err := fence.OpenRegister(ctx, in.To)
	if err != nil {
		return err
	}
	defer to.Close(ctx)
	state, err := to.UnfenceWithoutKey(ctx, in.ID, in.who())
	if err == nil && state != "opened" {
		return fmt.Errorf("%s is not opened: it had not received everything from %s when that was lost, and may lack rows whose commit was confirmed to clients;  "+
			"restore %s, or see \"The old side is lost in a switch\" in docs/operations.md", in.To.Instance, in.From.Instance, in.From.Instance)
	}
	return err
}

// lost returns nil if nothing answers at a server's address.
func lost(ctx context.Context, s postgres.Server) error {
	register, err := fence.OpenRegister(ctx, s)
	if err == nil {
		register.Close(ctx)
		return fmt.Errorf("%s answers, and its decision is valid", s.Instance)
	}
	if !postgres.Unreachable(err) {
		return fmt.Errorf("%s is there, and its decision is valid: %w", s.Instance, err)
	}
	return nil
}
