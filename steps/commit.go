package steps

import (
	"context"
	"fmt"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
)

// commitDone judges a step whose effect is a commit: done when it is on the branch. A commit
// that a human reverted is an instruction and is never made again.
func commitDone(step string) func(context.Context, *Run) (Verdict, error) {
	return func(ctx context.Context, run *Run) (Verdict, error) {
		state, err := run.Git.CommitState(ctx, step)
		if err != nil {
			return Verdict{}, err
		}
		switch {
		case state.RevertedBy != nil && obeyed[step]:
			return Verdict{Reverted: state.RevertedBy, Reason: v1alpha1.ReasonRolledBack,
				Message: fmt.Sprintf("%s was reverted by %s (%s)", step, short(state.RevertedBy.SHA), state.RevertedBy.Author)}, nil
		case state.Commit != nil:
			record(run.Status, step, *state.Commit)
			return done("commit %s is on the branch", short(state.Commit.SHA)), nil
		case state.AlreadyApplied:
			return done("the branch already says so"), nil
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

// record keeps our commits in the status, each once.
func record(status *v1alpha1.PgUpgradeStatus, step string, commit v1alpha1.Commit) {
	for i := range status.Commits {
		if status.Commits[i].SHA == commit.SHA {
			return
		}
	}
	status.Commits = append(status.Commits, v1alpha1.CommitStatus{Commit: commit, Step: step})
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
	case CommitRollback:
		if run.Proxy != nil && run.Proxy.Status.LastFailure != "" && run.Status.Workflow == RevertCutover {
			add("Gitover-Reason", "%s", oneLine(run.Proxy.Status.LastFailure))
		} else {
			add("Gitover-Reason", "the version was reverted")
		}
	}
	return e
}

func approval(run *Run) string {
	if run.Upgrade.Spec.Cutover.Approval == "Manual" {
		return "by spec.cutover.approvedVersion in Git"
	}
	return "automatically"
}

func short(sha string) string {
	if len(sha) > 12 {
		return sha[:12]
	}
	return sha
}
