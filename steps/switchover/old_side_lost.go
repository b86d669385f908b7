package switchover

import (
	"context"
	"fmt"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// OpenWithoutDecision opens the new side of an undecided switch whose old side is lost for good: only the old side's
// register knows the decision and has the key. Call it only when a human said in Git that nobody returns to the old side. An error says why the
// new side stays closed: the old side answers after all, a pooler doesn't answer or let clients go back to
// the old side, or the new side hadn't declared that it has every row. Call Recover afterwards. Retry-safe.
func OpenWithoutDecision(ctx context.Context, in Input) error {
	if err := lost(ctx, in.From); err != nil {
		return err
	}
	for _, p := range in.Poolers {
		state, err := p.State(ctx)
		if err != nil {
			return err // it may let clients go to the old side, if that comes back
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
		return fmt.Errorf("%s is not opened: it had not received everything from %s when that was lost, and may lack rows that clients were told of; "+
			"restore %s, or see \"The old side is lost in a switch\" in docs/operations.md", in.To.Instance, in.From.Instance, in.From.Instance)
	}
	return err
}

// lost is nil if nothing answers at a server's address.
func lost(ctx context.Context, s postgres.Server) error {
	register, err := fence.OpenRegister(ctx, s)
	if err == nil {
		register.Close(ctx)
		return fmt.Errorf("%s answers: what it decided stands", s.Instance)
	}
	if !postgres.Unreachable(err) {
		return fmt.Errorf("%s is there, and what it decided stands: %w", s.Instance, err)
	}
	return nil
}
