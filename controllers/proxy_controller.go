package controllers

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/runtime/patch"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	kerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/metrics"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/controllers/pace"
	"github.com/gitover/gitover/controllers/tracing"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/postgres"
)

// ProxyReconciler makes status.active equal spec.target. It moves traffic only because
// Git said so: the first cutover, a human's revert and our own are one code path.
type ProxyReconciler struct {
	client.Client
	// Uncached reads Secrets, which the cache must not hold.
	Uncached client.Reader
	Recorder record.EventRecorder
	// Selector of the PgProxies to work for; nil for all.
	Selector labels.Selector
	// Tracer may be nil.
	Tracer *tracing.Tracer
	// Fleet knows what Git says of a target.
	Fleet Fleet
	// Identity of this process, other than any other's: the status names who switches, the
	// decision register who decided.
	Identity string
	// Elected: leader election lets no other controller work at the same time.
	Elected bool
	Now     func() time.Time
	agents  agentCache
	// addresses of instances that are no Service.
	addresses pooler.Addresses

	slow    pace.SlowLane
	retries outcome.Retries
	memory  memory
}

// proxyScope is a proxy with what it refers to.
type proxyScope struct {
	proxy    *v1alpha1.PgProxy
	upgrade  *v1alpha1.PgUpgrade
	identity identity
	patcher  *patch.SerialPatcher
	// soon: look again in a moment, since what was seen is about to change.
	soon bool
}

// switchWanted or under way.
func switchWanted(p *v1alpha1.PgProxy) bool {
	return p.Status.Switch != nil || p.Status.Active != p.Spec.Target
}

// Reconcile looks at one PgProxy.
func (r *ProxyReconciler) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	p := &v1alpha1.PgProxy{}
	// what this controller wrote a moment ago must be seen: a switch in progress is in it
	if err := r.Uncached.Get(ctx, request.NamespacedName, p); err != nil {
		r.retries.Forget(request.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !selects(r.Selector, p) { // another controller's, which a PgUpgrade or a Job led to
		r.retries.Forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	leave, ok := r.slow.Enter(request.NamespacedName, switchWanted(p), r.Now)
	if !ok {
		return ctrl.Result{RequeueAfter: pace.SlowTurn}, nil
	}
	defer leave()
	patcher := patch.NewSerialPatcher(p, r.Client)
	defer func() {
		if perr := persist(ctx, patcher, p); perr != nil && client.IgnoreNotFound(perr) != nil {
			result, err = ctrl.Result{}, kerrors.NewAggregate([]error{err, perr})
		}
	}()
	if !p.DeletionTimestamp.IsZero() {
		return r.finalize(p)
	}
	if controllerutil.AddFinalizer(p, v1alpha1.Finalizer) {
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	}
	before, rollback := outcome.LastReported(p), rollbackOf(p)
	o := r.reconcile(ctx, p, patcher)
	if ctx.Err() != nil {
		return ctrl.Result{}, nil
	}
	if o.Changed {
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	}
	metrics.Look("PgProxy", o)
	outcome.ReportSuspended(p, p.Spec.Suspend)
	outcome.Report(p, o)
	p.Status.ObservedGeneration = p.Generation
	answered(p, &p.Status.ReconcileRequestStatus)
	outcome.EmitEvents(r.Recorder, p, before, o)
	r.tellRollback(p, rollback)
	if o.RequeueAfter == 0 {
		o.RequeueAfter = slowLook
	}
	if switchWanted(p) { // clients or people wait
		o.Failing = false
	}
	return ctrl.Result{RequeueAfter: r.retries.After(request.NamespacedName, o)}, nil
}

// slowLook is the interval for a proxy that has nothing to switch: it still watches its
// poolers and the rollback path.
const slowLook = 10 * time.Second

func (r *ProxyReconciler) reconcile(ctx context.Context, p *v1alpha1.PgProxy, patcher *patch.SerialPatcher) outcome.Outcome {
	x := &proxyScope{proxy: p, upgrade: &v1alpha1.PgUpgrade{}, patcher: patcher}
	key := client.ObjectKey{Namespace: p.Namespace, Name: p.Spec.UpgradeRef.Name}
	if err := r.Uncached.Get(ctx, key, x.upgrade); err != nil {
		if apierrors.IsNotFound(err) {
			err = &outcome.ReasonError{Reason: v1alpha1.ReasonUpgradeNotFound, Stalled: true, Text: fmt.Sprintf("PgUpgrade %s does not exist; check spec.upgradeRef", key.Name)}
		}
		return outcome.Of(err, v1alpha1.ReasonActive)
	}
	var err error
	if x.identity, err = r.identity(ctx, p); err != nil {
		return outcome.Of(err, v1alpha1.ReasonActive)
	}
	switch {
	case p.Status.Switch != nil:
		return r.recover(ctx, x)
	case p.Status.Active == "":
		return r.begin(ctx, x)
	case p.Status.Active == p.Spec.Target:
		forgetAttempts(p, "")
		looking, stop := pace.WhileUnchanged(ctx, r.Uncached, p, pace.LookForChanges)
		defer stop()
		o := r.reconcileActive(looking, x)
		o.Changed = pace.SpecChanged(looking)
		return o
	}
	// a switch waits or the proxy is suspended: the other side must stay fenced, and the serving side must still let applications in
	r.staysFenced(ctx, x)
	if o := r.closed(ctx, x); o != nil {
		return *o
	}
	if err := r.followService(ctx, p); err != nil {
		return outcome.Of(err, v1alpha1.ReasonSwitchWaiting)
	}
	if p.Spec.Suspend {
		return outcome.Outcome{Reason: v1alpha1.ReasonSuspended, Message: fmt.Sprintf("%s serves; Git wants %s, but spec.suspend is true", p.Status.Active, p.Spec.Target), Stalled: true}
	}
	return r.move(ctx, x)
}

// begin takes spec.target as the active instance of a new proxy: Git says so, it answers,
// and it has the version of its name. Nothing is switched.
func (r *ProxyReconciler) begin(ctx context.Context, x *proxyScope) outcome.Outcome {
	p := x.proxy
	server, err := r.server(ctx, x, p.Spec.Target)
	if err != nil {
		return outcome.Of(err, v1alpha1.ReasonActive)
	}
	have, err := postgres.Version(ctx, server)
	if err != nil {
		return outcome.Of(err, v1alpha1.ReasonServerUnreachable)
	}
	if want := steps.VersionOf(x.upgrade.Name, x.upgrade.Spec.Adopt, p.Spec.Target); fmt.Sprint(have) != want {
		return outcome.Outcome{Reason: v1alpha1.ReasonWrongVersion, Stalled: true, RequeueAfter: outcome.RetryStalled,
			Message: fmt.Sprintf("%s answers as PostgreSQL %d, its name says %s", p.Spec.Target, have, want)}
	}
	if fenced, err := postgres.IsFenced(ctx, server); err != nil {
		return outcome.Of(err, v1alpha1.ReasonServerUnreachable)
	} else if fenced {
		return outcome.Outcome{Reason: v1alpha1.ReasonUnknownTarget, Stalled: true, RequeueAfter: outcome.RetryStalled,
			Message: fmt.Sprintf("%s is fenced, so another instance serves; set spec.target to that one", p.Spec.Target)}
	}
	if err := r.activate(x, p.Spec.Target); err != nil {
		return outcome.Of(err, v1alpha1.ReasonActive)
	}
	r.Recorder.Eventf(p, corev1.EventTypeNormal, v1alpha1.ReasonActive, "%s serves", p.Spec.Target)
	return r.reconcileActive(ctx, x)
}

// activate records which instance serves; agents follow it.
func (r *ProxyReconciler) activate(x *proxyScope, instance string) error {
	p := x.proxy
	endpoint, err := access.EndpointOf(x.upgrade, instance)
	if err != nil {
		return err
	}
	if p.Status.Active != instance {
		now := apiTime(r.Now())
		p.Status.Active, p.Status.ActiveSince, p.Status.FencedAgain = instance, &now, nil
	}
	p.Status.Endpoint = &endpoint
	return nil
}

// server returns the address of an instance of the pair. An instance that neither serves nor
// is part of the upgrade in progress can't be a target: nothing replicates to it.
func (r *ProxyReconciler) server(ctx context.Context, x *proxyScope, instance string) (postgres.Server, error) {
	s := x.upgrade.Status
	if active := x.proxy.Status.Active; active != "" && instance != active && instance != s.From && instance != s.To {
		return postgres.Server{}, &outcome.ReasonError{Reason: v1alpha1.ReasonUnknownTarget, Stalled: true,
			Text: fmt.Sprintf("spec.target %q is neither %s, which serves, nor part of an upgrade; set it to an instance of the pair, or change the version in PgUpgrade %s", instance, active, x.upgrade.Name)}
	}
	return access.ServerOf(ctx, r.Uncached, x.upgrade, instance)
}

// databases that the upgrade moves, or all application databases when none runs.
func (r *ProxyReconciler) databases(ctx context.Context, x *proxyScope, server postgres.Server) ([]string, error) {
	if x.upgrade.Status.Workflow != "" && len(x.upgrade.Status.Databases) > 0 {
		return x.upgrade.Status.Databases, nil
	}
	spec := x.upgrade.Spec.Databases
	all, err := postgres.ApplicationDatabases(ctx, server, spec.Include, spec.Exclude)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range postgres.Moved(all) {
		names = append(names, d.Name)
	}
	return names, nil
}

// finalize releases a deleted proxy. Traffic stays where it is: poolers keep their last target.
func (r *ProxyReconciler) finalize(p *v1alpha1.PgProxy) (ctrl.Result, error) {
	if controllerutil.RemoveFinalizer(p, v1alpha1.Finalizer) {
		r.agents.forget(string(p.UID))
		r.Recorder.Eventf(p, corev1.EventTypeNormal, "Released", "deleted; the poolers still lead to %s", p.Status.Active)
	}
	return ctrl.Result{}, nil
}
