package steps

import (
	"context"
	"errors"
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/hooks"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
)

// HookEffect is how the crash point of a hook's effect ends.
const HookEffect = "Hook"

// hooked runs the hooks of a moment when all else that the step waits for is there, and still is.
func hooked(moment v1alpha1.HookMoment, step Step) Step {
	look := step.Done
	step.Done = func(ctx context.Context, run *Run) (Verdict, error) {
		v, err := look(ctx, run)
		if err != nil || !v.Done {
			return v, err
		}
		return afterHooks(ctx, run, v, moment)
	}
	return step
}

// hookedSoak runs the hooks after the cutover while the soak goes on, and those before finalizing when it is over.
func hookedSoak(step Step) Step {
	look := step.Done
	step.Done = func(ctx context.Context, run *Run) (Verdict, error) {
		v, err := look(ctx, run)
		switch {
		case err != nil:
			return v, err
		case v.Done:
			return afterHooks(ctx, run, v, v1alpha1.AfterCutover, v1alpha1.BeforeFinalize)
		case v.Reason == v1alpha1.ReasonSoakInProgress && !v.RunNeeded:
			return afterHooks(ctx, run, v, v1alpha1.AfterCutover)
		}
		return v, nil
	}
	return step
}

// Moments of hooks, by the step of an upgrade that runs them.
var Moments = map[string][]v1alpha1.HookMoment{
	Preflight: {v1alpha1.BeforeCopy}, Approve: {v1alpha1.BeforeCutover}, Soak: {v1alpha1.AfterCutover, v1alpha1.BeforeFinalize},
}

// moments whose hooks a step runs.
func moments(workflow, step string) []v1alpha1.HookMoment {
	if workflow != Upgrade {
		return nil
	}
	return Moments[step]
}

// ObsoleteHooks run although the upgrade has left the step that began them: their Jobs are to be deleted.
func ObsoleteHooks(status *v1alpha1.PgUpgradeStatus) []*v1alpha1.HookStatus {
	return hooks.Obsolete(status, moments)
}

// afterHooks is the step's verdict once the hooks of these moments are over.
func afterHooks(ctx context.Context, run *Run, then Verdict, moments ...v1alpha1.HookMoment) (Verdict, error) {
	if len(run.Upgrade.Spec.Hooks) == 0 {
		return then, nil
	}
	for _, moment := range moments {
		p, err := run.hooks().Next(ctx, moment)
		if err != nil {
			return Verdict{}, err
		}
		if !p.Over {
			return run.hookVerdict(p, then), nil
		}
	}
	return then, nil
}

// hookVerdict says what a hook waits for. While one runs in the soak, the soak is in progress as before.
func (r *Run) hookVerdict(p hooks.Progress, then Verdict) Verdict {
	v := waiting("", "%s", p.Message)
	v.RequeueAfter = p.Again
	switch {
	case p.Abort:
		v.Leave = Abort
	case p.Failed:
		v.Reason, v.RequeueAfter = v1alpha1.ReasonHookFailed, 0
	case p.Effect != nil:
		v.RunNeeded, v.EffectName = true, HookEffect
		v.Effect = func(ctx context.Context, _ *Run) error { return p.Effect(ctx) }
	}
	if v.Reason == "" && r.Status.Step == Soak {
		v.Reason = v1alpha1.ReasonSoakInProgress
		if then.Message != "" && !then.Done {
			v.Message = then.Message + "; " + p.Message
		}
	}
	return v
}

func (r *Run) hooks() hooks.World {
	return hooks.World{
		Upgrade: r.Upgrade, Status: r.Status, Now: r.Now, ReadFile: r.Git.ReadFile, Look: r.Cluster.HookJob, Delete: r.Cluster.DeleteJob,
		Create: func(ctx context.Context, job *batchv1.Job) error {
			if err := r.MayRunJobs(ctx); err != nil {
				return err
			}
			return r.Cluster.CreateJob(ctx, job)
		},
		Request: r.hookRequest, Secrets: r.hookSecrets,
	}
}

// hookInstance is the instance that a hook's SQL goes to.
func (r *Run) hookInstance(h v1alpha1.HookSpec) string {
	if h.SQL.Instance == "New" {
		return r.Status.To
	}
	return r.active()
}

// hookRequest is a hook's Job without its file.
func (r *Run) hookRequest(ctx context.Context, h v1alpha1.HookSpec) (hooks.Request, error) {
	request := hooks.Request{Upgrade: r.Upgrade, Owner: r.owner(), Labels: r.labels()}
	if h.SQL == nil {
		return request, nil
	}
	instance := r.hookInstance(h)
	server, err := r.Server(ctx, instance)
	if err != nil {
		return request, err
	}
	request.Side, request.ReadOnly = r.side(server), instance != r.active()
	if request.Image, err = imageOf(ctx, r, instance); err != nil {
		return request, err
	}
	if h.SQL.SecretRef != nil {
		user, _, err := r.hookLogin(ctx, h)
		if err != nil {
			return request, err
		}
		request.Side.User = user
		request.Side.Password = &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: h.SQL.SecretRef.Name}, Key: "password"}
	}
	return request, nil
}

// hookLogin is the role that a hook's own Secret names.
func (r *Run) hookLogin(ctx context.Context, h v1alpha1.HookSpec) (user, password string, err error) {
	data, err := r.ReadSecret(ctx, h.SQL.SecretRef.Name)
	if err != nil {
		return "", "", err
	}
	user, password = string(data["username"]), string(data["password"])
	if user == "" || password == "" {
		return "", "", fmt.Errorf("%w: Secret %s lacks username or password; add both", ErrHookSecret, h.SQL.SecretRef.Name)
	}
	return user, password, nil
}

// ErrHookSecret: the Secret of a hook's role lacks a key.
var ErrHookSecret = errors.New("invalid Secret")

// hookSecrets must not show in a hook's output.
func (r *Run) hookSecrets(ctx context.Context, h v1alpha1.HookSpec) ([]string, error) {
	if h.SQL == nil {
		return nil, nil
	}
	server, err := r.Server(ctx, r.hookInstance(h))
	if err != nil {
		return nil, err
	}
	secrets := []string{string(server.Password)}
	if h.SQL.SecretRef != nil {
		_, password, err := r.hookLogin(ctx, h)
		if err != nil && !errors.Is(err, ErrHookSecret) {
			return nil, err
		}
		secrets = append(secrets, password)
	}
	return secrets, nil
}

// hookItems of the plan are the hooks that are still to run, with what their files say now.
func hookItems(ctx context.Context, run *Run) (items []string, err error) {
	for _, h := range run.Upgrade.Spec.Hooks {
		if h.Moment == v1alpha1.BeforeCopy {
			continue
		}
		content, _, err := run.Git.ReadFile(ctx, hooks.PathOf(h), "")
		if err != nil {
			return nil, fmt.Errorf("hook %s: %w", h.Name, err)
		}
		items = append(items, fmt.Sprintf("hook %s runs %s (%.12s) %s", h.Name, hooks.PathOf(h), hooks.Digest(content), h.Moment))
	}
	return items, nil
}

// hookFindings names every hook that can't run, before anything is begun.
func hookFindings(ctx context.Context, run *Run, blue postgres.Server) ([]preflight.Finding, error) {
	if len(run.Upgrade.Spec.Hooks) == 0 {
		return nil, nil
	}
	findings, err := HookFindings(ctx, blue, run.Upgrade)
	if err != nil {
		return nil, err
	}
	if err := run.MayRunJobs(ctx); err != nil {
		return nil, err
	}
	checks := hooks.Checks{ReadFile: run.Git.ReadFile, Request: run.checkedRequest, Try: run.Cluster.TryJob, Bad: run.BadHook}
	problems, err := checks.Check(ctx, run.Upgrade)
	return append(findings, asFindings(problems)...), err
}

// checkedRequest stands for that of the new instance, which isn't there yet.
func (r *Run) checkedRequest(ctx context.Context, h v1alpha1.HookSpec) (hooks.Request, error) {
	if h.SQL != nil && h.SQL.Instance == "New" {
		here := *h.SQL
		here.Instance, h.SQL = "", &here
	}
	return r.hookRequest(ctx, h)
}

// HookFindings are those that a spec and the serving server tell.
func HookFindings(ctx context.Context, blue postgres.Server, upgrade *v1alpha1.PgUpgrade) ([]preflight.Finding, error) {
	if len(upgrade.Spec.Hooks) == 0 {
		return nil, nil
	}
	all, err := postgres.ApplicationDatabases(ctx, blue, nil, nil)
	if err != nil {
		return nil, err
	}
	return asFindings(hooks.CheckSpec(upgrade, names(all))), nil
}

func asFindings(problems []hooks.Problem) (findings []preflight.Finding) {
	for _, p := range problems {
		findings = append(findings, preflight.Finding{Name: "hook_invalid", Severity: preflight.Block, Object: p.Hook, Why: strings.TrimSuffix(oneLine(p.Why), ".") + ".", Fix: p.Fix})
	}
	return findings
}

// hookEvidence are the trailers of hooks that ran at these moments.
func hookEvidence(status *v1alpha1.PgUpgradeStatus, moments ...v1alpha1.HookMoment) (e Evidence) {
	for _, line := range hooks.Evidence(status, moments...) {
		e = append(e, struct{ Key, Value string }{"Gitover-Hook", line})
	}
	return e
}

// whyEnded are the trailers of an upgrade that Gitover ended by itself.
func whyEnded(status *v1alpha1.PgUpgradeStatus) (e Evidence) {
	if status.EndedBy != "" {
		e = append(e, struct{ Key, Value string }{"Gitover-Reason", oneLine(status.EndedBy)})
	}
	if wasRehearsal(*status) {
		for _, line := range status.Rehearsal.Report {
			e = append(e, struct{ Key, Value string }{"Gitover-Rehearsal", oneLine(line)})
		}
	}
	return e
}
