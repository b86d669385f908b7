package steps

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/analysis"
)

// commitDone judges a step whose effect is a commit: done when it is on the branch. A commit
// that a human reverted is an instruction and is never made again.
func commitDone(step string) func(context.Context, *Run) (Verdict, error) {
	return func(ctx context.Context, run *Run) (Verdict, error) {
		state, err := run.Git.CommitState(ctx, step)
		if err != nil {
			return Verdict{}, err
		}
		if state.ByContent { // also if it was reverted: by its trailers it is never found again
			record(run.Status, step, state)
		}
		switch {
		case state.RevertedBy != nil && obeyed[step]:
			return Verdict{Reverted: state.RevertedBy, Reason: v1alpha1.ReasonRolledBack,
				Message: fmt.Sprintf("%s was reverted by %s (%s)", step, short(state.RevertedBy.SHA), state.RevertedBy.Author)}, nil
		case state.RevertedBy != nil && step == CommitRollback && RevertDecided(*run.Status):
			return refuseRevert(run, "%s (%s) reverted it", short(state.RevertedBy.SHA), state.RevertedBy.Author), nil
		case state.Commit != nil:
			record(run.Status, step, state)
			run.Status.Proposal = nil
			return done("commit %s is on the branch", short(state.Commit.SHA)), nil
		case state.AlreadyApplied:
			run.Status.Proposal = nil
			return done("the branch already says so"), nil
		case state.Proposal != nil:
			return proposed(ctx, run, step, *state.Proposal)
		}
		if step == CommitCutover {
			if changed, err := stillApproved(ctx, run); changed != nil || err != nil {
				return ptr.Deref(changed, Verdict{}), err
			}
		}
		return act("to be committed"), nil
	}
}

// obeyed are the commits whose revert changes the course of the upgrade. The revert of a
// removal only leaves the manifests there.
var obeyed = map[string]bool{CommitGreen: true, CommitCutover: true}

func commitRun(step string) func(context.Context, *Run) error {
	return func(ctx context.Context, run *Run) error {
		return run.Git.Commit(ctx, step, evidence(run, step))
	}
}

// record keeps our commits in the status, each once. One that is known by its content alone is found again by its attempt.
func record(status *v1alpha1.PgUpgradeStatus, step string, state CommitState) {
	entry := v1alpha1.CommitStatus{Commit: *state.Commit, Step: step}
	if state.ByContent {
		entry.Attempt, entry.Workflow, entry.Round = status.Attempt, status.Workflow, RevertRound(*status, step)
	}
	for i := range status.Commits {
		if c := status.Commits[i]; c.SHA == entry.SHA && (c.Step == step || !state.ByContent) {
			return
		}
	}
	status.Commits = append(status.Commits, entry)
}

// delivered asks Flux, and sets the time in the commit's entry when it is first applied.
func delivered(ctx context.Context, run *Run, step string) (CommitState, error) {
	state, err := run.Git.CommitState(ctx, step)
	if err != nil || !state.Delivered || state.Commit == nil {
		return state, err
	}
	for i := range run.Status.Commits {
		c := &run.Status.Commits[i]
		if c.SHA == state.Commit.SHA && c.AppliedAt == nil {
			now := timestamp(run.Now())
			c.AppliedAt = &now
		}
	}
	return state, nil
}

// evidence is what the commit's trailers say in addition to the step's name.
func evidence(run *Run, step string) Evidence {
	var e Evidence
	add := func(key, format string, args ...any) {
		e = append(e, struct{ Key, Value string }{key, fmt.Sprintf(format, args...)})
	}
	add("Gitover-From", "%s", run.Status.From)
	add("Gitover-To", "%s", run.Status.To)
	switch step {
	case CommitCutover:
		if l := run.Status.Lag; l != nil {
			add("Gitover-Lag-Bytes", "%d", l.Bytes)
			add("Gitover-Lag-Measured", "%s", l.At.UTC().Format(time.RFC3339))
		}
		if v := run.Status.Verification; v != nil {
			add("Gitover-Verified", "%s compared, %d in flight", comparedText(v), v.InFlight)
		}
		if c := run.Status.Copy; c != nil {
			add("Gitover-Copied-Bytes", "%d", c.BytesTotal)
		}
		add("Gitover-Approved", "%s", approval(run))
		if p := run.Status.Plan; p != nil {
			add("Gitover-Plan", "%s", p.Digest)
		}
		e = append(e, hookEvidence(run.Status, v1alpha1.BeforeCopy, v1alpha1.BeforeCutover)...)
	case CommitFinalize:
		e = append(e, hookEvidence(run.Status, v1alpha1.AfterCutover, v1alpha1.BeforeFinalize)...)
		if run.Status.Analysis != nil {
			e = append(e, analysis.Passed(run.Status.Analysis)...)
		}
	case CommitRemoveGreen:
		e = append(e, whyEnded(run.Status)...)
	case CommitRollback:
		add("Gitover-Reason", "%s", oneLine(whyBack(run)))
		if RevertDecided(*run.Status) {
			e = append(e, analysis.Failed(run.Status.Analysis.Failure)...)
		}
	}
	return e
}

func approval(run *Run) string {
	if run.Upgrade.Spec.Cutover.Approval != manual {
		return "automatically"
	}
	by := run.Status.ApprovedBy
	if by == nil {
		return "by spec.cutover.approvedVersion in Git"
	}
	signed := ""
	if by.Signed {
		signed = ", signed"
	}
	return oneLine(fmt.Sprintf("by %s in %s%s", by.Author, short(by.SHA), signed))
}

func short(sha string) string {
	if len(sha) > 12 {
		return sha[:12]
	}
	return sha
}

// Proposal is a commit of ours on a branch of its own: it counts once people have brought its content to the branch that Flux
// follows.
type Proposal struct {
	// Branch that it waits on, and Into the branch that Flux follows.
	Branch, Into string
	Commit       v1alpha1.Commit
	// Base is the commit of the followed branch that it was put on.
	Base string
	// Others is how many commits of people are on top.
	Others int
	// Stale: it has to be made again on the newest tip.
	Stale bool
	// Gone: the branch was proposed, is no longer there, and its content isn't on the followed branch.
	Gone bool
	// PullRequest of the branch, if Gitover opened one; it is to be opened if there is none and Unopened is set.
	PullRequest *v1alpha1.PullRequestStatus
	Unopened    bool
	// Closed: the pull request was closed without having been merged.
	Closed bool
	// Unknown is why it isn't known what became of the pull request.
	Unknown string
}

// ObsoleteProposal says whether what is proposed is no longer wanted: another workflow or attempt began, or the upgrade has gone past
// that step.
func ObsoleteProposal(status v1alpha1.PgUpgradeStatus) bool {
	p := status.Proposal
	if p == nil {
		return false
	}
	_, proposes := Find(p.Workflow, p.Step)
	_, at := Find(status.Workflow, status.Step)
	return p.Workflow != status.Workflow || p.Attempt != status.Attempt || at > proposes
}

// stillReady keeps an upgrade ready to cut over while its cutover waits to be merged, for days perhaps.
var stillReady = connected(Step{Name: CommitCutover, Done: readyToCutOver, Run: followRun})

// proposed judges a commit that waits to be merged.
func proposed(ctx context.Context, run *Run, step string, p Proposal) (Verdict, error) {
	status := run.Status
	if p.Gone || p.Closed {
		if step == CommitRollback && RevertDecided(*status) {
			status.Proposal = nil
			return refuseRevert(run, "branch %s was removed, or its pull request closed, without having been merged to %s", p.Branch, p.Into), nil
		}
		if asked := run.Upgrade.Spec.Retry; status.Proposal != nil && asked != status.Proposal.Retry {
			status.HandledRetry, status.Proposal = asked, nil
			return act("spec.retry asks for the commit to be proposed again"), nil
		}
		what := "branch " + p.Branch + " is gone"
		if p.Closed {
			what = "pull request " + p.PullRequest.URL + " is closed"
		}
		return waiting(v1alpha1.ReasonProposalRefused, "%s without having been merged to %s, so %s counts as refused; change spec.retry to have it proposed again%s",
			what, p.Into, step, otherwise[step]), nil
	}
	remember(run, step, p)
	if p.Unopened {
		v := act("opening the pull request of branch %s", p.Branch)
		v.Effect = func(ctx context.Context, run *Run) error { return run.Git.OpenPullRequest(ctx, step) }
		return v, nil
	}
	text := fmt.Sprintf("merge branch %s to %s to go on (commit %s)", p.Branch, p.Into, short(p.Commit.SHA))
	if p.PullRequest != nil {
		text = fmt.Sprintf("merge %s to go on (branch %s, commit %s)", p.PullRequest.URL, p.Branch, short(p.Commit.SHA))
	}
	if p.Unknown != "" {
		text += "; " + p.Unknown
	}
	if p.Others > 0 {
		text += fmt.Sprintf("; %d commits of others are on top", p.Others)
	}
	if p.Stale {
		return act("branch %s is proposed again: what it changes has changed on %s", p.Branch, p.Into), nil
	}
	if step == CommitCutover {
		if outdated(status) {
			return act("branch %s is proposed again with newer evidence: rows were compared since", p.Branch), nil
		}
		ready, err := stillReady.Done(ctx, run)
		if err != nil {
			return Verdict{}, err
		}
		switch {
		case ready.RunNeeded:
			if ready.Effect == nil {
				ready.Effect = stillReady.Run
			}
			return ready, nil
		case ready.ReturnTo != "", !ready.Done && ready.Reason != CatchUp:
			return ready, nil
		case !ready.Done:
			text += "; " + ready.Message
		}
	}
	v := waiting(v1alpha1.ReasonWaitingForMerge, "%s", text)
	v.RequeueAfter = mergeLook(run.Now().Sub(status.Proposal.ProposedAt.Time))
	return v, nil
}

// mergeLook is how long until a pull request is asked for again that is this old: a tenth of it, within bounds. A merge is noticed
// before, since the source has a new revision.
func mergeLook(age time.Duration) time.Duration {
	return min(max(age/10, slowLook), 2*time.Minute)
}

// otherwise is what people can do about a refused commit, beside having it proposed again.
var otherwise = map[string]string{
	CommitGreen:       ", or revert the version to end the upgrade",
	CommitCutover:     ", or revert the version to end the upgrade",
	CommitFinalize:    ", or remove the old version's manifests yourself",
	CommitRemoveGreen: ", or remove the new version's manifests yourself",
	CommitRollback:    ", or set the PgProxy's target yourself",
}

// outdated: rows were compared again after the cutover was proposed, so its evidence is old.
func outdated(status *v1alpha1.PgUpgradeStatus) bool {
	v, p := status.Verification, status.Proposal
	return v != nil && p != nil && p.ProposedAt.Before(&v.At)
}

// remember what waits, so that a branch that is deleted is told from one that was never there.
func remember(run *Run, step string, p Proposal) {
	status := run.Status
	if known := status.Proposal; known != nil && known.Step == step && known.Attempt == status.Attempt && known.Branch == p.Branch {
		return // a commit that people amended is theirs
	}
	at := p.Commit.Time
	if at == nil {
		now := metav1.NewTime(run.Now())
		at = &now
	}
	status.Proposal = p.Status(run.Upgrade, step, *at)
}

// Status is what is kept of a step's proposal that was made at that time.
func (p Proposal) Status(upgrade *v1alpha1.PgUpgrade, step string, at metav1.Time) *v1alpha1.ProposalStatus {
	return &v1alpha1.ProposalStatus{
		Branch: p.Branch, Into: p.Into, Workflow: upgrade.Status.Workflow, Step: step, Attempt: upgrade.Status.Attempt,
		Commit: p.Commit.SHA, Base: p.Base, Retry: upgrade.Spec.Retry, PullRequest: p.PullRequest, ProposedAt: at,
	}
}
