// Package objects makes objects of the API server as tests of several packages need them.
package objects

import (
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Upgrade is a PgUpgrade in namespace a, whose directory is apps/a.
func Upgrade() *v1alpha1.PgUpgrade {
	u := &v1alpha1.PgUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "orders"}}
	u.Spec.Git = v1alpha1.GitSpec{SourceRef: v1alpha1.ObjectReference{Name: "fleet"}, KustomizationRef: v1alpha1.ObjectReference{Name: "orders"}, Path: "apps/a"}
	return u
}

// Kustomization is one that delivered Upgrade, and is ready.
func Kustomization() *kustomizev1.Kustomization {
	k := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "orders"}}
	k.Spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "fleet"}
	k.Spec.Path = "./apps/a"
	k.Status.Inventory = &kustomizev1.ResourceInventory{Entries: []kustomizev1.ResourceRef{{ID: "a_orders_gitover.dev_PgUpgrade", Version: "v1alpha1"}}}
	k.Status.Conditions = []metav1.Condition{{Type: meta.ReadyCondition, Status: metav1.ConditionTrue}}
	return k
}
