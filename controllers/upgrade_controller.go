package controllers

import (
	"context"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/runtime/patch"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	kerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/analysis"
	"github.com/gitover/gitover/controllers/cluster"
	"github.com/gitover/gitover/controllers/logs"
	"github.com/gitover/gitover/controllers/metrics"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/controllers/pace"
	"github.com/gitover/gitover/controllers/tracing"
	"github.com/gitover/gitover/steps"
	checks "github.com/gitover/gitover/steps/analysis"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// +kubebuilder:rbac:groups=gitover.dev,resources=pgupgrades;pgproxies,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=gitover.dev,resources=pgupgrades/status;pgproxies/status,verbs=patch
// +kubebuilder:rbac:groups=source.toolkit.fluxcd.io,resources=gitrepositories,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=kustomize.toolkit.fluxcd.io,resources=kustomizations,verbs=get;list;watch
// +kubebuilder:rbac:groups=postgresql.cnpg.io,resources=clusters,verbs=get
// +kubebuilder:rbac:groups=apps,resources=statefulsets;deployments,verbs=list;watch
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=list;watch;create;delete
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=localsubjectaccessreviews,verbs=create
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=pods/log,verbs=get
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;update
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=events,verbs=create;patch

// UpgradeReconciler runs upgrades. It commits and replicates; it never moves traffic.
type UpgradeReconciler struct {
	client.Client
	// Uncached reads Secrets, which the cache must not hold, and what must be fresh.
	Uncached client.Reader
	Pods     kubernetes.Interface
	Recorder record.EventRecorder
	// Selector of the PgUpgrades to work for; nil for all. A cache that it narrows isn't enough: a Job names its owner whatever labels that has.
	Selector labels.Selector
	// Tracer may be nil.
	Tracer *tracing.Tracer
	// CloneDirectory holds the clones of fleet repositories.
	CloneDirectory string
	// NoCrossNamespaceRefs refuses references into other namespaces, as Flux's flag does.
	NoCrossNamespaceRefs bool
	// Poolers tells what passed the poolers of a PgProxy, for checks of the soak.
	Poolers func(context.Context, *v1alpha1.PgProxy) (pooler.Averages, error)
	// AnalysisAddresses that checks of the soak may reach by HTTP.
	AnalysisAddresses checks.Addresses
	// Self is the controller's own pod, whose image copies data.
	Self cluster.Self
	Now  func() time.Time
	// fleet, in a test, takes the place of the fleet repository
	fleet func(*v1alpha1.PgUpgrade) steps.Git
	// server, in a test, takes the place of access.ServerOf
	server func(instance string) postgres.Server
	// remove, in a test, takes the place of postgres.RemoveAll
	remove       func(context.Context, postgres.Server, postgres.Names) ([]string, error)
	repositories repositoryCache

	// workers remembers apply workers from look to look
	workers replication.Workers
	slow    pace.SlowLane
	retries outcome.Retries
	// background runs slow effects beside looks
	background background
}

// selects says whether a controller works for an object.
func selects(s labels.Selector, object client.Object) bool {
	return s == nil || s.Matches(labels.Set(object.GetLabels()))
}

// Reconcile looks at one PgUpgrade and takes it as far as is possible now.
func (r *UpgradeReconciler) Reconcile(ctx context.Context, request ctrl.Request) (result ctrl.Result, err error) {
	leave, ok := r.slow.Enter(request.NamespacedName, false, r.Now)
	if !ok {
		return ctrl.Result{RequeueAfter: pace.SlowTurn}, nil
	}
	defer leave()
	upgrade := &v1alpha1.PgUpgrade{}
	// what this controller wrote a moment ago must be seen: the PgProxy controller goes by the
	// step that is stored
	if err := r.Uncached.Get(ctx, request.NamespacedName, upgrade); apierrors.IsNotFound(err) {
		upgrade.Namespace, upgrade.Name = request.Namespace, request.Name
		r.retries.Forget(request.NamespacedName)
		return ctrl.Result{}, r.background.end(ctx, upgrade, "")
	} else if err != nil {
		return ctrl.Result{}, err
	}
	if !selects(r.Selector, upgrade) { // another controller's
		r.retries.Forget(request.NamespacedName)
		return ctrl.Result{}, r.background.end(ctx, upgrade, "")
	}
	patcher := patch.NewSerialPatcher(upgrade, r.Client)
	defer func() {
		if perr := persist(ctx, patcher, upgrade); perr != nil && client.IgnoreNotFound(perr) != nil {
			result, err = ctrl.Result{}, kerrors.NewAggregate([]error{err, perr})
		}
	}()
	if !upgrade.DeletionTimestamp.IsZero() || upgrade.Spec.Suspend {
		if err := r.background.end(ctx, upgrade, ""); err != nil {
			return ctrl.Result{}, err
		}
	}
	if !upgrade.DeletionTimestamp.IsZero() {
		return r.finalize(ctx, upgrade)
	}
	if controllerutil.AddFinalizer(upgrade, v1alpha1.Finalizer) {
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	}
	outcome.ReportSuspended(upgrade, upgrade.Spec.Suspend)
	if upgrade.Spec.Suspend {
		upgrade.Status.ObservedGeneration = upgrade.Generation
		return ctrl.Result{}, nil
	}
	before := outcome.LastReported(upgrade)
	o := r.reconcile(ctx, upgrade, patcher)
	if ctx.Err() != nil {
		// shutting down: the next leader looks again
		return ctrl.Result{}, nil
	}
	metrics.Look("PgUpgrade", o)
	outcome.Report(upgrade, o)
	upgrade.Status.ObservedGeneration = upgrade.Generation
	answered(upgrade, &upgrade.Status.ReconcileRequestStatus)
	outcome.EmitEvents(r.Recorder, upgrade, before, o)
	if o.RequeueAfter == 0 {
		o.RequeueAfter = intervalOf(upgrade)
	}
	return ctrl.Result{RequeueAfter: r.retries.After(request.NamespacedName, o)}, nil
}

func (r *UpgradeReconciler) reconcile(ctx context.Context, upgrade *v1alpha1.PgUpgrade, patcher *patch.SerialPatcher) outcome.Outcome {
	seen, err := r.observe(ctx, upgrade)
	if err != nil {
		logs.For(ctx, upgrade).Info("can't observe", "reason", err.Error())
		return outcome.Of(err, upgrade.Status.Step)
	}
	o := r.runWorkflow(ctx, upgrade, seen, patcher)
	analysis.Report(r.Recorder, upgrade, seen.proxy, r.Now())
	return o
}

// persist patches metadata and status; only Gitover writes these conditions.
func persist(ctx context.Context, patcher *patch.SerialPatcher, object client.Object) error {
	err := patcher.Patch(ctx, object, patch.WithFieldOwner(v1alpha1.FieldManager), patch.WithOwnedConditions{Conditions: []string{
		v1alpha1.ReadyCondition, v1alpha1.ReconcilingCondition, v1alpha1.StalledCondition, v1alpha1.SuspendedCondition,
		v1alpha1.PreflightPassedCondition, v1alpha1.ReplicatingCondition, v1alpha1.RollbackReadyCondition, v1alpha1.AnalysisPassedCondition,
	}})
	if err != nil {
		return fmt.Errorf("patch %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	return nil
}

// answered records the request that this look answers, for clients that wait for it as `flux reconcile` does.
func answered(object client.Object, status *meta.ReconcileRequestStatus) {
	if request, ok := meta.ReconcileAnnotationValue(object.GetAnnotations()); ok {
		status.LastHandledReconcileAt = request
	}
}

func intervalOf(upgrade *v1alpha1.PgUpgrade) time.Duration {
	if i := upgrade.Spec.Interval; i != nil && i.Duration > 0 {
		return i.Duration
	}
	return time.Minute
}

// proxyOf reads past the cache: what is removed depends on which instance serves now. Nil if
// there's none; an error if it is another upgrade's, since two upgrades would remove each
// other's serving instance.
func (r *UpgradeReconciler) proxyOf(ctx context.Context, upgrade *v1alpha1.PgUpgrade) (*v1alpha1.PgProxy, error) {
	proxy := &v1alpha1.PgProxy{}
	err := r.Uncached.Get(ctx, types.NamespacedName{Namespace: upgrade.Namespace, Name: upgrade.Spec.ProxyRef.Name}, proxy)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read PgProxy %s: %w", upgrade.Spec.ProxyRef.Name, err)
	}
	if leader := proxy.Spec.UpgradeRef.Name; leader != upgrade.Name {
		return nil, &outcome.ReasonError{Reason: v1alpha1.ReasonInvalidSpec, Stalled: true,
			Text: fmt.Sprintf("PgProxy %s belongs to PgUpgrade %s, and no other may move its traffic; correct spec.proxyRef here or spec.upgradeRef there", proxy.Name, leader)}
	}
	return proxy, nil
}
