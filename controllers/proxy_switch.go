package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/internal/crash"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/switchover"
)

// move makes spec.target the active instance by a switch.
func (r *ProxyReconciler) move(ctx context.Context, x *proxyScope) outcome.Outcome {
	ctx = crash.Scope(ctx)
	p := x.proxy
	if o := r.backoff(x); o != nil {
		return *o
	}
	if o := recovering(p, x.upgrade); o != nil {
		return *o
	}
	if err := r.Fleet.VerifyTarget(ctx, x.upgrade, p); err != nil {
		o := outcome.Of(err, v1alpha1.ReasonSwitchWaiting)
		if o.Reason == v1alpha1.ReasonFluxPending {
			// objects change a moment before Flux says so of the whole revision
			o.RequeueAfter = outcome.RetryMoment
		}
		return o
	}
	id := "gitover-" + string(p.UID)[:8] + "-" + strconv.FormatInt(r.Now().UnixNano(), 36)
	input, err := r.input(ctx, x, id, p.Status.Active, p.Spec.Target)
	if err != nil {
		return outcome.Of(err, v1alpha1.ReasonSwitchWaiting)
	}
	// a switch of another controller isn't orphaned
	if live, err := r.liveSwitch(ctx, x); err != nil {
		return outcome.Of(err, v1alpha1.ReasonSwitchWaiting)
	} else if live != nil {
		return outcome.Outcome{Reason: v1alpha1.ReasonSwitching, RequeueAfter: outcome.RetryMoment, Message: fmt.Sprintf("controller %s begins a switch", live.Controller)}
	}
	// a switch whose status was lost must not block this one for ever
	if err := switchover.AbortOrphanedSwitches(ctx, input); err != nil {
		return outcome.Of(err, v1alpha1.ReasonSwitchWaiting)
	}
	servers, err := failover.Identities(ctx, input.From, input.To)
	if err != nil {
		return outcome.Of(err, v1alpha1.ReasonSwitchWaiting)
	}
	// the guard comes first, without writing anything: an obstacle may stay for long
	obstacles, err := switchover.Guard(ctx, input)
	if err != nil {
		return outcome.Of(err, v1alpha1.ReasonSwitchWaiting)
	}
	r.waits(p, obstacles)
	if len(obstacles) > 0 {
		return waitingFor(p, &switchover.WaitingError{Obstacles: obstacles})
	}
	for _, s := range servers { // a primary that is replaced from here on stops the switch, whatever was known before
		input.Known[s.Instance] = []postgres.Identity{{System: s.SystemIdentifier, Timeline: s.Timeline}}
	}
	endpoint, err := access.EndpointOf(x.upgrade, p.Spec.Target)
	if err != nil {
		return outcome.Of(err, v1alpha1.ReasonSwitchWaiting)
	}
	p.Status.Switch = &v1alpha1.SwitchStatus{ID: id, From: p.Status.Active, To: p.Spec.Target, Endpoint: &endpoint,
		Commit: r.cause(ctx, x), StartedAt: apiTime(r.Now()), Servers: servers}
	if err := r.phase(ctx, x, protocol.PhasePreparing); err != nil {
		p.Status.Switch = nil
		return claimConflict(err)
	}
	if o := r.removalStarted(ctx, x); o != nil {
		p.Status.Switch = nil
		return *o
	}
	r.Recorder.Eventf(p, corev1.EventTypeNormal, v1alpha1.ReasonSwitching, "switching from %s to %s", p.Status.Active, p.Spec.Target)
	result, err := switchover.Switch(ctx, input)
	return r.after(ctx, x, result, err)
}

// backoff is the outcome of a switch that must not begin now: its target is being removed, or
// the next attempt isn't due.
func (r *ProxyReconciler) backoff(x *proxyScope) *outcome.Outcome {
	p := x.proxy
	if p.Status.FailedTarget != p.Spec.Target {
		forgetAttempts(p, p.Spec.Target)
	}
	if o := instanceBeingRemoved(p, x.upgrade); o != nil {
		return o
	}
	if p.Status.FailedAttempts >= attemptsOf(p) {
		return &outcome.Outcome{Reason: v1alpha1.ReasonSwitchFailed, Stalled: true, RequeueAfter: outcome.RetryStalled,
			Message: fmt.Sprintf("%d attempts to switch to %s failed, %s still serves: %s. Fix it, then set spec.target back and forth or raise spec.switch.attempts",
				p.Status.FailedAttempts, p.Spec.Target, p.Status.Active, p.Status.LastFailure)}
	}
	if next := p.Status.NextAttempt; next != nil {
		// more than the interval is left only if the clock was set back
		if left := next.Sub(r.Now()); left > 0 && left <= retryIntervalOf(p) {
			return &outcome.Outcome{Reason: v1alpha1.ReasonSwitching, RequeueAfter: left, Message: fmt.Sprintf("attempt %d of %d to reach %s failed: %s; next attempt at %s",
				p.Status.FailedAttempts, attemptsOf(p), p.Spec.Target, p.Status.LastFailure, next.UTC().Format("15:04:05 UTC"))}
		}
	}
	return nil
}

// recover ends a switch that another process, or a failure, left in progress.
func (r *ProxyReconciler) recover(ctx context.Context, x *proxyScope) outcome.Outcome {
	s := x.proxy.Status.Switch
	if o := r.takeOver(ctx, x); o != nil {
		return *o
	}
	input, err := r.input(ctx, x, s.ID, s.From, s.To)
	if err != nil {
		return outcome.Of(err, v1alpha1.ReasonSwitching)
	}
	word := rollbackAbandoned(x)
	state, result, err := switchover.Recover(ctx, input)
	if word != "" && state == switchover.StateUnknown {
		state, result, err = r.openWithoutDecision(ctx, x, input, err, word)
	}
	if state == switchover.StateAborted && err == nil {
		err = &switchover.AbortedError{Why: errors.New("the controller was interrupted before the decision"), Result: result}
	}
	var unfinished *switchover.UnfinishedError
	if word != "" && errors.As(err, &unfinished) && unfinished.RollbackPath {
		return r.abandon(ctx, x, input, unfinished, word)
	}
	return r.after(ctx, x, result, err)
}

// input collects what a switch needs; the register is made on both sides first.
func (r *ProxyReconciler) input(ctx context.Context, x *proxyScope, id, from, to string) (switchover.Input, error) {
	old, err := r.server(ctx, x, from)
	if err != nil {
		return switchover.Input{}, err
	}
	young, err := r.server(ctx, x, to)
	if err != nil {
		return switchover.Input{}, err
	}
	for _, s := range []postgres.Server{old, young} {
		if err := fence.EnsureRegister(ctx, s, agentRole, x.identity.password); err != nil && !postgres.Unreachable(err) {
			return switchover.Input{}, err
		}
	}
	databases, err := r.databases(ctx, x, old)
	if err != nil {
		return switchover.Input{}, err
	}
	poolers, pods, err := r.poolersOn(ctx, x)
	if err != nil {
		return switchover.Input{}, err
	}
	return switchover.Input{
		ID: id, From: old, To: young, Databases: databases, Names: postgres.Names{UID: string(x.upgrade.UID)}, Scope: steps.ScopeOf(x.upgrade),
		Known:   failover.KnownServers(x.upgrade.Status, x.proxy),
		Poolers: r.withoutLost(ctx, x.proxy, poolers, pods), Limits: limitsOf(x, r.Now()), Who: r.Identity,
		Sessions: sessionsOf(x.proxy), Alone: x.proxy.Spec.Pooler.Type == pooler.Service,
		Report: func(phase protocol.Phase) error { return r.phase(ctx, x, phase) },
		Trace:  func(point switchover.Point) { crash.Before(ctx, "switch/"+string(point)) },
		Traced: func(point switchover.Point) { crash.After(ctx, "switch/"+string(point)) },
	}, nil
}

// phase stores a switch's phase, outside the stall only. From Finishing on the new side
// serves, whatever happens.
func (r *ProxyReconciler) phase(ctx context.Context, x *proxyScope, phase protocol.Phase) error {
	s := x.proxy.Status.Switch
	if s == nil {
		return nil
	}
	name := "switch/" + string(phase)
	crash.Before(ctx, name)
	s.Phase = string(phase)
	switch phase {
	case protocol.PhasePreparing:
		if err := r.claim(context.WithoutCancel(ctx), x, nil); err != nil {
			return err
		}
	case protocol.PhaseHoldBegins:
		now := metav1.NewMicroTime(r.Now())
		s.HeldSince = &now
	case protocol.PhaseFinishing:
		if err := r.activate(x, s.To); err != nil {
			return err
		}
	default: // only has to be stored
	}
	if err := persist(context.WithoutCancel(ctx), x.patcher, x.proxy); err != nil {
		return err
	}
	crash.After(ctx, name)
	return nil
}

// cause is the commit that asked for the switch: our own cutover commit, or else the
// revision that Flux had applied when the target was seen to differ.
func (r *ProxyReconciler) cause(ctx context.Context, x *proxyScope) *v1alpha1.Commit {
	status := x.upgrade.Status
	if status.Workflow == steps.Upgrade && x.proxy.Spec.Target == status.To {
		for i := len(status.Commits) - 1; i >= 0; i-- {
			if status.Commits[i].Step == steps.CommitCutover {
				return &status.Commits[i].Commit
			}
		}
	}
	ref := x.upgrade.Spec.Git.KustomizationRef
	kustomization := &kustomizev1.Kustomization{}
	key := client.ObjectKey{Namespace: cmp.Or(ref.Namespace, x.upgrade.Namespace), Name: ref.Name}
	if err := r.Get(ctx, key, kustomization); err != nil {
		return nil
	}
	if _, sha, ok := gitops.ParseRevision(kustomization.Status.LastAppliedRevision); ok {
		return &v1alpha1.Commit{SHA: sha}
	}
	return nil
}

func limitsOf(x *proxyScope, now time.Time) switchover.Limits {
	spec := x.proxy.Spec.Switch
	limits := switchover.Limits{LongTransactions: switchover.LongTransactionPolicy(spec.LongTransactions), Patience: patienceLeft(x.proxy, now)}
	if d := spec.StallBudget; d != nil {
		limits.StallBudget = d.Duration
	}
	if d := spec.HoldLimit; d != nil {
		limits.Hold = d.Duration
	}
	if d := spec.TransactionLimit; d != nil {
		limits.LongTransaction = d.Duration
	}
	if l := x.upgrade.Spec.Limits.Lag; l != nil {
		// the guard's limit is wider than CatchUp's: a burst must not stop a switch
		limits.LagBytes = max(l.Value(), 16<<20)
	}
	return limits
}

// sessionsOf says what a switch does to clients that keep a server connection.
func sessionsOf(p *v1alpha1.PgProxy) switchover.Sessions {
	switch t := p.Spec.Pooler.Type; {
	case t == pooler.NGINX:
		return switchover.Frozen
	case t == pooler.HAProxy, t == pooler.Service, p.Spec.Switch.Sessions == "End":
		return switchover.Ended
	}
	return switchover.Held
}

func retryIntervalOf(p *v1alpha1.PgProxy) time.Duration {
	if d := p.Spec.Switch.RetryInterval; d != nil && d.Duration > 0 {
		return d.Duration
	}
	return 15 * time.Second
}
