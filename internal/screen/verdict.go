package screen

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fluxcd/pkg/runtime/conditions"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

// endanger are reasons by which what serves may come to harm if they stay.
var endanger = []string{v1alpha1.ReasonRetainedWAL, v1alpha1.ReasonDiskFull, v1alpha1.ReasonDiskLow}

// inTheWay are reasons of a PgProxy by which clients may not reach what serves.
var inTheWay = []string{v1alpha1.ReasonNoPoolers, v1alpha1.ReasonPoolerUnreachable, v1alpha1.ReasonPoolerRefused, v1alpha1.ReasonServerUnreachable,
	v1alpha1.ReasonServerAuthFailed, v1alpha1.ReasonServerUntrusted, v1alpha1.ReasonDiskFull}

// safety says whether applications are served and their rows are where they belong.
func safety(u *v1alpha1.PgUpgrade, p *v1alpha1.PgProxy, r *Report) Verdict {
	reason := conditions.GetReason(u, v1alpha1.ReadyCondition)
	switch {
	case r.Active == "":
		return Verdict{Unknown, "no instance is known to serve yet"}
	case conditions.HasAnyReason(p, v1alpha1.ReadyCondition, v1alpha1.ReasonFenced), reason == v1alpha1.ReasonFenced:
		return Verdict{No, fmt.Sprintf("%s refuses applications", r.Active)}
	case r.Switch != nil:
		limit := ptr.Deref(p.Spec.Switch.HoldLimit, metav1.Duration{Duration: defaultHold}).Duration
		return Verdict{Careful, fmt.Sprintf("traffic moves from %s to %s (%s); clients wait for %s at most, and no row is lost", r.Switch.From, r.Switch.To, r.Switch.Phase, limit)}
	case slices.Contains(endanger, reason):
		return Verdict{Careful, fmt.Sprintf("%s serves, but %s can harm a server if it lasts", r.Active, reason)}
	case r.ProxyReady != nil && r.ProxyReady.Status == metav1.ConditionFalse && (conditions.IsStalled(p) || slices.Contains(inTheWay, r.ProxyReady.Reason)):
		return Verdict{Careful, fmt.Sprintf("%s serves, but %s: %s", r.Active, r.ProxyReady.Reason, r.ProxyReady.Message)}
	case r.Target != "" && r.Target != r.Active:
		return Verdict{Careful, fmt.Sprintf("%s serves; Git wants %s, and the switch has not been made", r.Active, r.Target)}
	}
	return inCourse(r)
}

// inCourse is the safety of a run in which nothing is wrong with the traffic.
func inCourse(r *Report) Verdict {
	switch {
	case r.Workflow == "":
		return Verdict{Yes, fmt.Sprintf("%s serves PostgreSQL %s", r.Active, r.Version)}
	case r.Workflow == steps.RolledBack || r.Workflow == steps.Upgrade && r.Step == steps.Soak:
		if r.Rollback.Ready {
			return Verdict{Yes, fmt.Sprintf("%s serves, %s follows: traffic can return without losing a row", r.Active, other(r))}
		}
		return Verdict{Careful, fmt.Sprintf("%s serves; do not move traffic back before RollbackReady is True", r.Active)}
	case r.Active == r.From:
		return Verdict{Yes, fmt.Sprintf("%s serves as before; no application reaches %s", r.From, r.To)}
	case r.Workflow == steps.Upgrade:
		return Verdict{Yes, fmt.Sprintf("%s serves; there is no rollback any more", r.Active)}
	}
	return Verdict{Yes, fmt.Sprintf("%s serves until traffic has returned to %s", r.Active, r.From)}
}

// other instance of the pair than the one that serves.
func other(r *Report) string {
	if r.Active == r.From {
		return r.To
	}
	return r.From
}

// toDo is what a person must do, or may.
func toDo(u *v1alpha1.PgUpgrade, p *v1alpha1.PgProxy, r *Report, program string) ToDo {
	verb := func(name string) string { return program + " " + name + " " + u.Name }
	from := steps.VersionOf(u.Name, u.Spec.Adopt, r.From)
	reason := conditions.GetReason(u, v1alpha1.ReadyCondition)
	switch {
	case u.Spec.Suspend:
		return ToDo{true, verb("resume") + ": spec.suspend keeps it where it is"}
	case p.Spec.Suspend && r.Active != r.Target:
		return ToDo{true, "set spec.suspend of the PgProxy to false in Git: it keeps traffic where it is"}
	case reason == v1alpha1.ReasonPreflightBlocked:
		return ToDo{true, "fix the findings that block, or list them in spec.acknowledge"}
	case reason == v1alpha1.ReasonWaitingForApproval:
		text := verb("approve") + " lets it cut over"
		if r.Plan != nil {
			text += fmt.Sprintf("; with --plan %.12s, by this plan only", r.Plan.Digest)
		}
		return ToDo{true, text}
	case reason == v1alpha1.ReasonRehearsed:
		return ToDo{false, "set spec.mode: Upgrade in Git to start the upgrade that was rehearsed"}
	case reason == v1alpha1.ReasonHookFailed:
		return ToDo{true, "fix what the hook says, then " + verb("retry")}
	case reason == v1alpha1.ReasonWaitingForMerge && u.Status.Proposal != nil:
		if pr := u.Status.Proposal.PullRequest; pr != nil {
			return ToDo{true, fmt.Sprintf("merge %s, or close it to refuse it", pr.URL)}
		}
		return ToDo{true, fmt.Sprintf("merge branch %s to %s, or delete it to refuse it", u.Status.Proposal.Branch, u.Status.Proposal.Into)}
	case reason == v1alpha1.ReasonProposalRefused:
		return ToDo{true, fmt.Sprintf("%s proposes the commit again; %s --to %s ends the upgrade", verb("retry"), verb("upgrade"), from)}
	case r.Workflow == steps.RolledBack && !conditions.IsStalled(u):
		return ToDo{true, fmt.Sprintf("%s tries again; %s --to %s gives it up", verb("retry"), verb("upgrade"), from)}
	case r.Workflow == "" && reason == v1alpha1.ReasonRolledBack:
		return ToDo{true, fmt.Sprintf("%s tries again; %s --to %s keeps what serves", verb("retry"), verb("upgrade"), r.Version)}
	case reason == v1alpha1.ReasonWaitingForSoak:
		return ToDo{false, "wait for the end of the soak; " + verb("finalize") + " ends it"}
	case conditions.IsStalled(u):
		return ToDo{true, "do what stands at Now; its reason is " + reason}
	case conditions.IsStalled(p), slices.Contains(inTheWay, conditions.GetReason(p, v1alpha1.ReadyCondition)):
		return ToDo{true, fmt.Sprintf("do what PgProxy %s says; its reason is %s", p.Name, r.ProxyReady.Reason)}
	case reason == v1alpha1.ReasonSoakInProgress && r.Rollback.Ready:
		return ToDo{u.Spec.Soak.Finalize == "Manual", fmt.Sprintf("%s returns to %s; %s ends the soak", verb("rollback"), r.From, verb("finalize"))}
	case reason == v1alpha1.ReasonSoakInProgress && r.Rollback.Reason != v1alpha1.ReasonStarting:
		return ToDo{true, "do what stands at Rollback, before a revert is needed; its reason is " + r.Rollback.Reason}
	}
	if failed := p.Status.FailedAttempts; failed > 0 {
		return ToDo{false, fmt.Sprintf("nothing; attempt %d of %d to switch failed and is repeated", failed, cmp.Or(p.Spec.Switch.Attempts, defaultAttempts))}
	}
	return ToDo{false, "nothing"}
}
