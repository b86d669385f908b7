package screen

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

// defaultLag, defaultSoak, defaultHold and defaultAttempts are those of the API, for an object that no API server has filled in.
const (
	defaultLag      = 1 << 20
	defaultSoak     = 24 * time.Hour
	defaultHold     = 10 * time.Second
	defaultAttempts = 5
)

// Of makes the report of an upgrade. Program is how people call this command, for what they may type.
func Of(o Objects, program string) Report {
	u, p := o.Upgrade, cmp.Or(o.Proxy, &v1alpha1.PgProxy{})
	s := &u.Status
	r := Report{
		Namespace: u.Namespace, Name: u.Name, Version: s.Version, WantedVersion: u.Spec.Version,
		Active: p.Status.Active, Target: p.Spec.Target,
		From: s.From, To: s.To, Workflow: s.Workflow, Step: s.Step, Run: s.Run, Attempt: s.Attempt,
		AskedBy: s.RequestedBy, Suspend: u.Spec.Suspend,
		Ready: conditions.Get(u, v1alpha1.ReadyCondition), ProxyReady: conditions.Get(p, v1alpha1.ReadyCondition),
		AnalysisPassed: conditions.Get(u, v1alpha1.AnalysisPassedCondition), Analysis: s.Analysis,
		Stalled: conditions.IsStalled(u) || conditions.IsStalled(p),
		Copy:    s.Copy, Comparing: s.Comparing, Lag: s.Lag, LagLimit: defaultLag,
		Switch: p.Status.Switch, Switches: p.Status.Switches, Poolers: p.Status.Poolers,
		Findings: s.Findings, History: s.History, Unreadable: o.Notes,
	}
	if conditions.GetReason(u, v1alpha1.ReadyCondition) == v1alpha1.ReasonWaitingForApproval {
		r.Plan = s.Plan
	}
	if limit := u.Spec.Limits.Lag; limit != nil {
		r.LagLimit = limit.Value()
	}
	if v := steps.VersionOf(u.Name, u.Spec.Adopt, r.Active); v != "" {
		r.Version = v
	}
	if r.Workflow != "" {
		r.Phases, r.Began = phases(u), began(s)
	}
	for i := range s.Commits {
		r.Commits = append(r.Commits, commitOf(o, s.Commits, i))
	}
	r.Rollback = rollback(u, p)
	if o.Proxy == nil {
		r.Unreadable = append(r.Unreadable, fmt.Sprintf("PgProxy %s isn't there", u.Spec.ProxyRef.Name))
	}
	r.Now = now(&r)
	r.Safe = safety(u, p, &r)
	r.ToDo = toDo(u, p, &r, program)
	return r
}

func began(s *v1alpha1.PgUpgradeStatus) *metav1.Time {
	var first *metav1.Time
	for _, step := range s.Steps {
		if step.StartedAt != nil && (first == nil || step.StartedAt.Before(first)) {
			first = step.StartedAt
		}
	}
	return first
}

// now is what the step, or the condition, says.
func now(r *Report) string {
	if r.Ready == nil {
		return "the controller hasn't looked at it yet"
	}
	message := r.Ready.Message
	if r.Step == "" {
		return message
	}
	if message == "" || message == r.Step {
		return r.Step
	}
	return r.Step + ": " + message
}

// AtRest: no run is in progress, and the version that Git asks for serves.
func (r *Report) AtRest() bool {
	return r.Workflow == "" && r.Ready != nil && r.Ready.Status == metav1.ConditionTrue
}

// Soaking or finished: the new version serves.
func (r *Report) Soaking() bool {
	return r.AtRest() || r.Ready != nil && r.Ready.Status == metav1.ConditionTrue && r.Ready.Reason == v1alpha1.ReasonSoakInProgress
}

// TakenBack: the run was ended by a revert, or waits for what people decide after one.
func (r *Report) TakenBack() bool {
	return r.Workflow != "" && r.Workflow != steps.Upgrade || r.Ready != nil && r.Ready.Reason == v1alpha1.ReasonRolledBack
}

func rollback(u *v1alpha1.PgUpgrade, p *v1alpha1.PgProxy) Rollback {
	c := conditions.Get(p, v1alpha1.RollbackReadyCondition)
	if c == nil {
		return Rollback{Reason: v1alpha1.ReasonRollbackUnavailable, Message: "not looked at yet"}
	}
	back := Rollback{Ready: c.Status == metav1.ConditionTrue, Reason: c.Reason, Message: c.Message}
	soaks := u.Status.Workflow == steps.Upgrade && u.Status.Step == steps.Soak
	if soaks && u.Spec.Soak.Finalize != "Manual" && p.Status.ActiveSince != nil {
		until := metav1.NewTime(p.Status.ActiveSince.Add(ptr.Deref(u.Spec.Soak.Duration, metav1.Duration{Duration: defaultSoak}).Duration))
		back.Until = &until
	}
	return back
}

// sha of a revision of Flux's such as main@sha1:1f0c….
func sha(revision string) string {
	if at := strings.LastIndex(revision, "sha1:"); at >= 0 {
		return revision[at+len("sha1:"):]
	}
	return revision[strings.LastIndexByte(revision, '/')+1:]
}

// commitOf judges how far Flux has come with one of Gitover's commits. Each is on top of those before it, so Flux has a
// commit if it is at a later one; of any other revision this can't be told without the repository.
func commitOf(o Objects, all []v1alpha1.CommitStatus, i int) Commit {
	c := Commit{CommitStatus: all[i], Flux: "committed"}
	has := func(revision string) (yes, known bool) {
		at := sha(revision)
		for j := range all {
			if all[j].SHA == at {
				return j >= i, true
			}
		}
		return false, at == ""
	}
	k, g := o.Kustomization, o.Source
	if c.AppliedAt != nil {
		c.Flux = "applied"
		return c
	}
	if k != nil {
		if yes, _ := has(k.Status.LastAppliedRevision); yes {
			c.Flux = "applied"
			return c
		}
		if yes, _ := has(k.Status.LastAttemptedRevision); yes {
			c.Flux, c.Detail = "applying", unready(k, "Kustomization "+k.Name)
			return c
		}
		if k.Spec.Suspend {
			c.Detail = "Kustomization " + k.Name + " is suspended"
		}
	}
	if g == nil {
		return c
	}
	revision := ""
	if g.Status.Artifact != nil {
		revision = g.Status.Artifact.Revision
	}
	yes, known := has(revision)
	switch {
	case yes:
		c.Flux = "fetched"
	case !known:
		c.Flux, c.Detail = "unknown", cmp.Or(c.Detail, fmt.Sprintf("Flux is at %.8s", sha(revision)))
	case g.Spec.Suspend:
		c.Detail = "GitRepository " + g.Name + " is suspended"
	default:
		c.Detail = cmp.Or(c.Detail, unready(g, "GitRepository "+g.Name))
	}
	return c
}

// unready is why an object of Flux's isn't ready; empty if it is, or is about to be.
func unready(o conditions.Getter, name string) string {
	c := conditions.Get(o, v1alpha1.ReadyCondition)
	if c == nil || c.Status != metav1.ConditionFalse || c.Reason == "Progressing" {
		return ""
	}
	return name + ": " + c.Message
}
