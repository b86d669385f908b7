package steps

import (
	"context"
	"fmt"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// awaitGreenDone: Flux applied the commit, the workload is ready, the server has the right
// version, and green is claimed: fenced, with its register.
func awaitGreenDone(ctx context.Context, run *Run) (Verdict, error) {
	state, err := delivered(ctx, run, CommitGreen)
	if err != nil {
		return Verdict{}, err
	}
	if state.RevertedBy != nil {
		return Verdict{Reverted: state.RevertedBy, Reason: v1alpha1.ReasonRolledBack,
			Message: fmt.Sprintf("green's commit was reverted by %s (%s)", short(state.RevertedBy.SHA), state.RevertedBy.Author)}, nil
	}
	workload, err := run.Cluster.Workload(ctx, run.Status.To)
	if err != nil {
		return Verdict{}, err
	}
	if !state.Delivered && !workload.Found {
		return waiting(state.Reason, "%s", state.Message), nil
	}
	if !workload.Ready {
		return waiting(v1alpha1.ReasonWorkloadNotReady, "%s: %s", run.Status.To, workload.Message), nil
	}
	green, err := run.green(ctx)
	if err != nil {
		return Verdict{}, err
	}
	if err := checkVersion(ctx, green, run.version(run.Status.To)); err != nil {
		if postgres.Unreachable(err) {
			return waiting(v1alpha1.ReasonServerUnreachable, "%v", err), nil
		}
		return Verdict{}, err
	}
	claimed, err := fence.Claimed(ctx, green, run.Status.Run)
	if err != nil {
		return Verdict{}, err
	}
	if !claimed {
		return act("%s answers as PostgreSQL %d; claiming it", run.Status.To, run.version(run.Status.To)), nil
	}
	if workload.Unread != "" {
		return done("%s answers as PostgreSQL %d; %s", run.Status.To, run.version(run.Status.To), workload.Unread), nil
	}
	return done("%s answers as PostgreSQL %d", run.Status.To, run.version(run.Status.To)), nil
}

// awaitGreenRun claims a fresh server as green: it refuses a volume that already holds tables,
// whatever its age, since an upgrade never overwrites data.
func awaitGreenRun(ctx context.Context, run *Run) error {
	if run.physical() {
		return claimSeeded(ctx, run)
	}
	green, err := run.green(ctx)
	if err != nil {
		return err
	}
	if err := fence.Claim(ctx, green, run.Status.Run, run.Upgrade.Spec.Databases.Exclude); err != nil {
		return err
	}
	return run.Register(ctx, green)
}
