package controllers

import (
	"context"
	"fmt"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/commits"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
)

// alreadyApplied says whether the edit would change nothing, e.g. because a human made it first.
// That counts only in a directory of ours: what another upgrade did there isn't done for us.
func (g *gitPort) alreadyApplied(ctx context.Context, tip gitops.Tip, step string) (bool, error) {
	edit, err := commits.Edit(g.upgrade, step)
	if err != nil {
		return false, err
	}
	changes, err := g.repository.WouldChange(ctx, tip.SHA, g.upgrade.Spec.Git.Path, edit)
	if err != nil || changes {
		return false, err
	}
	if step == steps.CommitRemoveGreen {
		return true, nil // nothing is there to be removed, whoever's it was
	}
	return true, g.ours(ctx, tip, step)
}

// ours is nil if an instance's file names this upgrade as its owner, or this run added one
// before files did that.
func (g *gitPort) ours(ctx context.Context, tip gitops.Tip, step string) error {
	owner := commits.OwnerOf(g.upgrade)
	ownership, err := g.repository.CheckOwner(ctx, tip.SHA, g.upgrade.Spec.Git.Path, owner)
	if err != nil || ownership.Stated {
		return err
	}
	begun, err := g.repository.FindByTrailers(ctx, g.unique(steps.CommitGreen))
	if err != nil || len(begun) > 0 {
		return err
	}
	return &outcome.ReasonError{Reason: v1alpha1.ReasonInvalidSpec, Stalled: true, Text: fmt.Sprintf(
		"the branch already says what %s would commit to %s, but no commit there is of this PgUpgrade (UID %s) and no file of an instance names it; if the directory is its own, put this line into the instance's kustomization.yaml:\n%s",
		step, g.upgrade.Spec.Git.Path, owner.UID, owner.Line())}
}
