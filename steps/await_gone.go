package steps

import (
	"cmp"
	"context"

	"github.com/gitover/gitover/api/v1alpha1"
)

// awaitGreenGoneDone: Flux pruned green.
func awaitGreenGoneDone(ctx context.Context, run *Run) (Verdict, error) {
	if run.Status.CopyMethod != nil {
		_, found, err := run.Cluster.Job(ctx, run.seedJobName())
		if err != nil {
			return Verdict{}, err
		}
		if found {
			v := act("left of %s: the Job of its physical copy", run.Status.To)
			v.Effect = func(ctx context.Context, run *Run) error { return run.Cluster.DeleteJob(ctx, run.seedJobName()) }
			return v, nil
		}
	}
	return awaitGone(ctx, run, CommitRemoveGreen, run.Status.To)
}

// awaitBlueGoneDone: Flux pruned blue. A server that was adopted without a path stays:
// Gitover never removes what it can't restore from Git.
func awaitBlueGoneDone(ctx context.Context, run *Run) (Verdict, error) {
	if a := run.Upgrade.Spec.Adopt; a != nil && a.Name == run.Status.From && a.Path == "" {
		return done("%s was adopted without a path in Git; it is fenced and yours to remove", run.Status.From), nil
	}
	return awaitGone(ctx, run, CommitFinalize, run.Status.From)
}

func awaitGone(ctx context.Context, run *Run, commit, instance string) (Verdict, error) {
	state, err := delivered(ctx, run, commit)
	if err != nil {
		return Verdict{}, err
	}
	if state.RevertedBy != nil {
		return done("%s stays, as %s by %s asks", instance, short(state.RevertedBy.SHA), state.RevertedBy.Author), nil
	}
	workload, err := run.Cluster.Workload(ctx, instance)
	if err != nil {
		return Verdict{}, err
	}
	if state.Commit != nil && !state.Delivered {
		// also where the workload shows no label of ours: an adopted server
		return waiting(cmp.Or(state.Reason, v1alpha1.ReasonFluxPending), "%s", cmp.Or(state.Message, "waiting for Flux to prune "+instance)), nil
	}
	if workload.Found {
		return waiting(v1alpha1.ReasonFluxPending, "waiting for Flux to prune %s; does its Kustomization have prune: true?", instance), nil
	}
	gone, left, err := run.Cluster.Gone(ctx, instance)
	if err != nil {
		return Verdict{}, err
	}
	if gone {
		return done("%s is gone", instance), nil
	}
	if run.Upgrade.Spec.Instance.Volumes == "Retain" {
		return done("%s is gone; kept as spec.instance.volumes asks: %s", instance, left), nil
	}
	return act("left of %s: %s", instance, left), nil
}

func deleteGreenVolumes(ctx context.Context, run *Run) error {
	return run.Cluster.DeleteVolumes(ctx, run.Status.To)
}

func deleteBlueVolumes(ctx context.Context, run *Run) error {
	return run.Cluster.DeleteVolumes(ctx, run.Status.From)
}
