package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fluxcd/pkg/runtime/conditions"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/commits"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/gitops/delivery"
	"github.com/gitover/gitover/gitops/pullrequest"
	"github.com/gitover/gitover/steps"
)

// With spec.git.push.branch a commit of Gitover's counts once its content is on the branch that Flux follows, whoever brought it there
// and how. Its trailers tell what was merged, rebased or cherry-picked. What was squashed, or written by people, has none: that
// is found by the content.

// mine are the trailers of every commit of this upgrade.
func (g *gitPort) mine() map[string]string {
	return map[string]string{"Gitover-Upgrade": string(g.upgrade.UID)}
}

// proposes says whether commits wait on branches of their own.
func (g *gitPort) proposes() bool { return g.upgrade.Spec.Git.Push != nil }

// content of a step's commit, since the branch didn't have it.
func (g *gitPort) content(step string, commit string) (gitops.Content, error) {
	edit, err := commits.Edit(g.upgrade, step)
	c := gitops.Content{Directory: g.upgrade.Spec.Git.Path, Edit: edit, Known: commit, Since: g.upgrade.Status.BaseCommit}
	if p := g.pending(step); p != nil {
		c.Base = p.Base
	}
	return c, err
}

// pending is what the status says of a step's proposal.
func (g *gitPort) pending(step string) *v1alpha1.ProposalStatus {
	status := g.upgrade.Status
	if p := status.Proposal; p != nil && p.Workflow == status.Workflow && p.Step == step && p.Attempt == status.Attempt {
		return p
	}
	return nil
}

// byContent is the commit that an earlier look found by a step's content; empty if there's none.
func (g *gitPort) byContent(step string) string {
	status := g.upgrade.Status
	for i := len(status.Commits) - 1; i >= 0; i-- {
		c := status.Commits[i]
		again := step == steps.CommitRollback && (c.Workflow != status.Workflow || c.Round != steps.RevertRound(status, step))
		if c.Step == step && c.Attempt > 0 && (!attempted(step) || c.Attempt == status.Attempt) && !again {
			return c.SHA
		}
	}
	return ""
}

// proposedState is CommitState where commits are proposed.
func (g *gitPort) proposedState(ctx context.Context, tip gitops.Tip, step string, trailed []gitops.Commit) (steps.CommitState, error) {
	known, byContent := g.byContent(step), true
	if len(trailed) > 0 {
		known, byContent = trailed[0].SHA, false
	} else if known == "" && g.pending(step) == nil {
		return g.unproposed(ctx, tip, step)
	}
	content, err := g.content(step, known)
	if err != nil {
		return steps.CommitState{}, err
	}
	landing, err := g.repository.Landed(ctx, content)
	if err != nil {
		return steps.CommitState{}, err
	}
	if landing.Commit == nil {
		return g.waiting(ctx, step, content)
	}
	commit := apiCommit(*landing.Commit)
	state := steps.CommitState{Commit: &commit, ByContent: byContent}
	if landing.RevertedBy != nil {
		by := apiCommit(*landing.RevertedBy)
		state.RevertedBy = &by
	}
	if err := g.delivery(ctx, step, &state); err != nil {
		return steps.CommitState{}, err
	}
	if g.pending(step) != nil && !state.Delivered {
		// people merged it: nothing else tells Flux to look at once
		return state, delivery.RequestReconcile(ctx, g.Client, client.ObjectKeyFromObject(g.source), commit.SHA)
	}
	return state, nil
}

// movedOrReverted tells a commit that was reverted from one whose files were moved with the directory: what it says is there.
func (g *gitPort) movedOrReverted(ctx context.Context, step string, commit gitops.Commit, reverted *gitops.Commit) (*gitops.Commit, error) {
	content, err := g.content(step, commit.SHA)
	if err != nil {
		return nil, err
	}
	landing, err := g.repository.Landed(ctx, content)
	if err != nil {
		return nil, err
	}
	if landing.Commit != nil && landing.RevertedBy == nil {
		return nil, nil
	}
	return reverted, nil
}

// unproposed is the state of a step that proposed nothing, as far as is known: the branch has the content, or a proposal was pushed
// by a process that died before it could say so, or nothing is there.
func (g *gitPort) unproposed(ctx context.Context, tip gitops.Tip, step string) (steps.CommitState, error) {
	applied, err := g.alreadyApplied(ctx, tip, step)
	if err != nil || applied {
		return steps.CommitState{AlreadyApplied: applied, Delivered: applied}, err
	}
	content, err := g.content(step, "")
	if err != nil {
		return steps.CommitState{}, err
	}
	return g.waiting(ctx, step, content)
}

// waiting is the state of a commit that isn't on the followed branch.
func (g *gitPort) waiting(ctx context.Context, step string, content gitops.Content) (steps.CommitState, error) {
	pending := g.pending(step)
	branch, err := commits.Branch(g.upgrade, step)
	if err != nil {
		return steps.CommitState{}, err
	}
	known := ""
	if pending != nil {
		known = pending.Commit
		if pending.Branch != branch {
			// the template was changed: what was proposed is withdrawn, and proposed on the other branch
			return steps.CommitState{}, nil
		}
	}
	p, err := g.repository.Proposed(ctx, branch, content, g.unique(step), known)
	if err != nil {
		return steps.CommitState{}, err
	}
	if p.Commit == nil {
		if pending == nil {
			return steps.CommitState{}, nil
		}
		return steps.CommitState{Proposal: &steps.Proposal{Branch: branch, Into: g.repository.Branch(), Gone: true}}, nil
	}
	proposal := &steps.Proposal{Branch: branch, Into: g.repository.Branch(), Commit: apiCommit(*p.Commit), Base: p.Base, Others: p.Others, Stale: p.Stale}
	g.lookAtPullRequest(ctx, proposal, pending)
	return steps.CommitState{Proposal: proposal}, nil
}

// propose pushes a commit to a branch of its own.
func (g *gitPort) propose(ctx context.Context, step string, request gitops.CommitRequest) error {
	branch, err := commits.Branch(g.upgrade, step)
	if err != nil {
		return err
	}
	if p := g.pending(step); p != nil && p.Branch != branch {
		if err := g.Withdraw(ctx, *p); err != nil {
			return err
		}
	}
	proposal := gitops.ProposeRequest{CommitRequest: request, Branch: branch, Mine: g.mine(), Options: g.upgrade.Spec.Git.Push.Options}
	if p := g.pending(step); p != nil {
		proposal.Known = p.Commit
	}
	result, err := g.repository.Propose(ctx, proposal)
	if errors.Is(err, gitops.ErrNothingToChange) {
		return nil
	}
	if err != nil {
		return err
	}
	// A look finds this by itself, too; but only then, a branch that is deleted at once would be missed.
	pushed := steps.Proposal{Branch: branch, Into: g.repository.Branch(), Commit: apiCommit(result.Commit), Base: result.Commit.Parents[0]}
	if p := g.pending(step); p != nil && p.Branch == branch {
		pushed.PullRequest = p.PullRequest // it shows what the branch has
	}
	g.upgrade.Status.Proposal = pushed.Status(g.upgrade, step, apiTime(result.Commit.When))
	return nil
}

// Withdraw implements steps.Git.
func (g *gitPort) Withdraw(ctx context.Context, proposal v1alpha1.ProposalStatus) error {
	if _, err := g.repository.Withdraw(ctx, proposal.Branch, g.mine(), proposal.Commit); err != nil {
		return fmt.Errorf("withdraw branch %s: %w", proposal.Branch, err)
	}
	return nil
}

// Undelivered implements steps.Git. While Flux is at work, what was said before stays.
func (g *gitPort) Undelivered() (reason, message string) {
	objects := []client.Object{g.upgrade}
	if g.proxy != nil {
		objects = append(objects, g.proxy)
	}
	reason, message = stopped(delivery.Next(g.source, g.flux, objects...))
	if reason != v1alpha1.ReasonProgressing {
		return reason, message
	}
	before := conditions.Get(g.upgrade, v1alpha1.ReadyCondition)
	if before == nil || before.Status != metav1.ConditionFalse || !ofFlux[before.Reason] {
		return "", ""
	}
	said, ok := strings.CutPrefix(before.Message, steps.WouldNotArrive)
	if !ok {
		return "", ""
	}
	return before.Reason, said
}

// lookAtPullRequest says what became of the pull request of a branch, if Gitover is to open one. That it can't be read stops
// nothing: whether it was merged is known by the branch that Flux follows.
func (g *gitPort) lookAtPullRequest(ctx context.Context, p *steps.Proposal, pending *v1alpha1.ProposalStatus) {
	if g.upgrade.Spec.Git.Push.PullRequest == nil {
		return
	}
	if pending == nil || pending.PullRequest == nil {
		p.Unopened = true
		return
	}
	p.PullRequest = pending.PullRequest
	state, err := g.pullRequestState(ctx, pending.PullRequest.Number)
	switch {
	case err != nil:
		p.Unknown = err.Error()
	case !state.Open && !state.Merged:
		p.Closed = true
	}
}

func (g *gitPort) pullRequestState(ctx context.Context, number int64) (pullrequest.State, error) {
	host, err := access.PullRequests(ctx, g.fresh, g.upgrade, g.source)
	if err != nil {
		return pullrequest.State{}, err
	}
	return host.State(ctx, number)
}

// OpenPullRequest implements steps.Git.
func (g *gitPort) OpenPullRequest(ctx context.Context, step string) error {
	pending := g.pending(step)
	if pending == nil {
		return nil // nothing waits any more
	}
	host, err := access.PullRequests(ctx, g.fresh, g.upgrade, g.source)
	if err != nil {
		return pullRequestFailure(err)
	}
	content, err := g.content(step, pending.Commit)
	if err != nil {
		return err
	}
	p, err := g.repository.Proposed(ctx, pending.Branch, content, g.unique(step), pending.Commit)
	if err != nil || p.Commit == nil {
		return err
	}
	state, err := host.Open(ctx, commits.PullRequest(pending.Branch, pending.Into, p.Commit.Message))
	if err != nil {
		return pullRequestFailure(err)
	}
	g.upgrade.Status.Proposal.PullRequest = &v1alpha1.PullRequestStatus{Number: state.Number, URL: state.URL}
	return nil
}

// pullRequestFailure has people act where another attempt would end the same way; the branch waits meanwhile.
func pullRequestFailure(err error) error {
	var reason string
	switch {
	case errors.Is(err, pullrequest.ErrSettings):
		reason = v1alpha1.ReasonInvalidSpec
	case errors.Is(err, pullrequest.ErrDenied):
		reason = v1alpha1.ReasonGitUnauthorized
	default:
		return err
	}
	return &outcome.ReasonError{Reason: reason, Stalled: true,
		Text: err.Error() + "; fix spec.git.push.pullRequest or its Secret. The branch waits, and may be merged without a pull request"}
}
