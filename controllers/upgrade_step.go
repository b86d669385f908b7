package controllers

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/cluster"
	"github.com/gitover/gitover/controllers/logs"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/internal/crash"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// act makes a step's effect and observes the PgProxy again: it may have moved meanwhile.
func (r *UpgradeReconciler) act(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed, step *steps.Step, verdict steps.Verdict, run *steps.Run) error {
	point, effect := effectOf(upgrade, step, verdict)
	crash.Before(ctx, point)
	if err := effect(ctx, run); err != nil {
		return err
	}
	crash.After(ctx, point)
	return r.observeProxy(ctx, upgrade, s)
}

// effectOf a step, by its verdict, and the name of its crash point.
func effectOf(upgrade *v1alpha1.PgUpgrade, step *steps.Step, verdict steps.Verdict) (point string, effect func(context.Context, *steps.Run) error) {
	point = upgrade.Status.Workflow + "/" + step.Name
	if verdict.Effect != nil {
		return point + "/" + cmp.Or(verdict.EffectName, "Effect"), verdict.Effect
	}
	return point, step.Run
}

// back returns to an earlier step, because a revert or a crash undid what came after it.
func (r *UpgradeReconciler) back(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed, verdict steps.Verdict) error {
	status := &upgrade.Status
	now := metav1.NewTime(r.Now().Truncate(time.Second))
	status.Steps = append(withoutStep(withoutStep(status.Steps, status.Step), verdict.ReturnTo), v1alpha1.StepStatus{Name: verdict.ReturnTo, StartedAt: &now, Message: verdict.Message})
	status.Step = verdict.ReturnTo
	r.Recorder.Event(upgrade, corev1.EventTypeNormal, verdict.ReturnTo, verdict.Message)
	return r.observeProxy(ctx, upgrade, s)
}

// withdraw a proposal that is no longer wanted, so that merging it later does nothing. If that fails, it is tried at the next look:
// nothing waits for it.
func (r *UpgradeReconciler) withdraw(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed) {
	p := upgrade.Status.Proposal
	if !steps.ObsoleteProposal(upgrade.Status) {
		return
	}
	if err := r.git(upgrade, s).Withdraw(ctx, *p); err != nil {
		logs.For(ctx, upgrade).Info("can't withdraw what was proposed", "branch", p.Branch, "error", err.Error())
		return
	}
	upgrade.Status.Proposal = nil
	r.Recorder.Eventf(upgrade, corev1.EventTypeNormal, v1alpha1.ReasonWaitingForMerge, "branch %s is withdrawn: %s is no longer wanted", p.Branch, p.Step)
}

// cancelHooks deletes the Jobs of hooks that run although the upgrade has left their step. One that hasn't begun has no end, and may
// still run if the upgrade returns.
func (r *UpgradeReconciler) cancelHooks(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed) error {
	for _, e := range steps.ObsoleteHooks(&upgrade.Status) {
		jobs := r.run(upgrade, s).Cluster
		_, began, err := jobs.HookJob(ctx, e.Job)
		if err != nil {
			return err
		}
		if err := jobs.DeleteJob(ctx, e.Job); err != nil {
			return err
		}
		if began = began || e.State == v1alpha1.HookRunning; began {
			now := metav1.NewTime(r.Now().Truncate(time.Second))
			e.FinishedAt = &now
		}
		e.State, e.Message = v1alpha1.HookCanceled, "the upgrade took another way"
	}
	return nil
}

func (r *UpgradeReconciler) run(upgrade *v1alpha1.PgUpgrade, s *observed) *steps.Run {
	return &steps.Run{
		Upgrade: upgrade, Proxy: s.proxy, Status: &upgrade.Status,
		Git:        r.git(upgrade, s),
		FreshProxy: func(ctx context.Context) (*v1alpha1.PgProxy, error) { return r.live(ctx, upgrade) },
		Cluster: &cluster.Port{Client: r.Client, Uncached: r.Uncached, Pods: r.Pods,
			Namespace: upgrade.Namespace, Upgrade: upgrade.Name, Spec: upgrade.Spec.Instance, Self: r.Self},
		Server: func(ctx context.Context, instance string) (postgres.Server, error) {
			if r.server != nil {
				return r.server(instance), nil
			}
			return access.ServerOf(ctx, r.Uncached, upgrade, instance)
		},
		Register: func(ctx context.Context, server postgres.Server) error {
			password, err := registerPassword(ctx, r.Uncached, s.proxy)
			if err != nil {
				return err
			}
			return fence.EnsureRegister(ctx, server, agentRole, password)
		},
		Secret: func(instance string) string { return access.SecretNameOf(upgrade, instance) },
		ReadSecret: func(ctx context.Context, name string) (map[string][]byte, error) {
			return r.secretData(ctx, upgrade, name)
		},
		CheckSecret: func(ctx context.Context, name string) (map[string][]byte, error) {
			if err := access.MayReadSecret(ctx, r.Client, upgrade, s.kustomization, name); err != nil {
				return nil, err
			}
			return r.secretData(ctx, upgrade, name)
		},
		Addresses:  r.AnalysisAddresses,
		Poolers:    func(ctx context.Context) (pooler.Averages, error) { return r.Poolers(ctx, s.proxy) },
		MayRunJobs: func(ctx context.Context) error { return access.MayRunJobs(ctx, r.Client, upgrade, s.kustomization) },
		BadHook:    outcome.BadHook,
		Now:        r.Now, Workers: &r.workers,
	}
}

// secretData of a Secret in the upgrade's namespace, read past the cache.
func (r *UpgradeReconciler) secretData(ctx context.Context, upgrade *v1alpha1.PgUpgrade, name string) (map[string][]byte, error) {
	secret, err := access.SecretOf(ctx, r.Uncached, upgrade.Namespace, name)
	if err != nil {
		return nil, err
	}
	return secret.Data, nil
}

// live is the PgProxy as it is now, for a step that removes an instance: that step must be in
// the stored status, where the PgProxy controller looks for it.
func (r *UpgradeReconciler) live(ctx context.Context, upgrade *v1alpha1.PgUpgrade) (*v1alpha1.PgProxy, error) {
	stored := &v1alpha1.PgUpgrade{}
	if err := r.Uncached.Get(ctx, client.ObjectKeyFromObject(upgrade), stored); err != nil {
		return nil, fmt.Errorf("read PgUpgrade %s: %w", upgrade.Name, err)
	}
	have, want := stored.Status, upgrade.Status
	if have.Run != want.Run || have.Workflow != want.Workflow || have.Step != want.Step {
		return nil, &outcome.ReasonError{Reason: v1alpha1.ReasonProgressing, Text: fmt.Sprintf("step %s is not stored; another controller continued with %s", want.Step, cmp.Or(have.Step, "the end"))}
	}
	return r.proxyOf(ctx, upgrade)
}
