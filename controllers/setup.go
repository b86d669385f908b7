package controllers

import (
	"cmp"
	"context"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/runtime/predicates"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/gitover/gitover/api/v1alpha1"
)

// asked lets through changes that people make: in the spec, or by the annotation reconcile.fluxcd.io/requestedAt. A
// change of the status alone triggers nothing.
var asked = predicate.Or(predicate.GenerationChangedPredicate{}, predicates.ReconcileRequestedPredicate{})

// SetupWithManager watches what an upgrade waits for: itself, its proxy, its Flux objects and
// its Jobs.
func (r *UpgradeReconciler) SetupWithManager(mgr ctrl.Manager, concurrent int) error {
	if err := mgr.Add(&r.background); err != nil {
		return err
	}
	r.slow.Limit = max(1, concurrent/2)
	r.background.wake = make(chan event.TypedGenericEvent[*v1alpha1.PgUpgrade])
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.PgUpgrade{}, builder.WithPredicates(asked)).
		WatchesRawSource(source.Channel(r.background.wake, &handler.TypedEnqueueRequestForObject[*v1alpha1.PgUpgrade]{})).
		Owns(&batchv1.Job{}).
		Watches(&v1alpha1.PgProxy{}, handler.EnqueueRequestsFromMapFunc(upgradeOfProxy)).
		Watches(&sourcev1.GitRepository{}, handler.EnqueueRequestsFromMapFunc(r.referring(func(s v1alpha1.GitSpec) v1alpha1.ObjectReference { return s.SourceRef }))).
		Watches(&kustomizev1.Kustomization{}, handler.EnqueueRequestsFromMapFunc(r.referring(func(s v1alpha1.GitSpec) v1alpha1.ObjectReference { return s.KustomizationRef }))).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Named("pgupgrade").
		Complete(r)
}

func upgradeOfProxy(_ context.Context, object client.Object) []reconcile.Request {
	proxy, ok := object.(*v1alpha1.PgProxy)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: proxy.Namespace, Name: proxy.Spec.UpgradeRef.Name}}}
}

// referring finds the upgrades whose spec names a Flux object.
func (r *UpgradeReconciler) referring(ref func(v1alpha1.GitSpec) v1alpha1.ObjectReference) handler.MapFunc {
	return func(ctx context.Context, object client.Object) []reconcile.Request {
		var requests []reconcile.Request
		for _, u := range referring(ctx, r.Client, object, ref) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&u)})
		}
		return requests
	}
}

func referring(ctx context.Context, c client.Reader, object client.Object, ref func(v1alpha1.GitSpec) v1alpha1.ObjectReference) (found []v1alpha1.PgUpgrade) {
	var upgrades v1alpha1.PgUpgradeList
	if err := c.List(ctx, &upgrades); err != nil {
		return nil
	}
	for _, u := range upgrades.Items {
		if to := ref(u.Spec.Git); to.Name == object.GetName() && cmp.Or(to.Namespace, u.Namespace) == object.GetNamespace() {
			found = append(found, u)
		}
	}
	return found
}

// proxiesOf finds the proxies that lead to an upgrade's instances.
func (r *ProxyReconciler) proxiesOf(ctx context.Context, object client.Object) []reconcile.Request {
	var proxies v1alpha1.PgProxyList
	if err := r.List(ctx, &proxies, client.InNamespace(object.GetNamespace())); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range proxies.Items {
		if proxies.Items[i].Spec.UpgradeRef.Name == object.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&proxies.Items[i])})
		}
	}
	return requests
}

// SetupWithManager watches proxies, the upgrades they belong to, and what delivers their manifests: the
// poolers are asked for their own state.
func (r *ProxyReconciler) SetupWithManager(mgr ctrl.Manager, concurrent int) error {
	r.slow.Limit = max(1, concurrent/2)
	return ctrl.NewControllerManagedBy(mgr).
		For(&v1alpha1.PgProxy{}, builder.WithPredicates(asked)).
		Watches(&v1alpha1.PgUpgrade{}, handler.EnqueueRequestsFromMapFunc(r.proxiesOf)).
		Watches(&sourcev1.GitRepository{}, handler.EnqueueRequestsFromMapFunc(r.deliveredBy)).
		Watches(&kustomizev1.Kustomization{}, handler.EnqueueRequestsFromMapFunc(r.deliveredBy)).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrent}).
		Named("pgproxy").
		Complete(r)
}
