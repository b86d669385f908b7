package testenv

import (
	"context"
	"fmt"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
)

// EditTarget changes spec.target in the cluster and not in Git, as `kubectl edit` would.
func (a *App) EditTarget(ctx context.Context, instance string) error {
	p := &v1alpha1.PgProxy{}
	p.Namespace, p.Name = a.Namespace, Name
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"target":%q}}`, instance))
	return a.Client.Patch(ctx, p, patch, client.FieldOwner("kubectl-edit"))
}

// ReconcileKustomization asks Flux to apply the app's directory again, as
// `flux reconcile kustomization` does.
func (a *App) ReconcileKustomization(ctx context.Context) error {
	k := &kustomizev1.Kustomization{}
	k.Namespace, k.Name = a.Namespace, Name
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, meta.ReconcileRequestAnnotation, time.Now().Format(time.RFC3339Nano)))
	return a.Client.Patch(ctx, k, patch)
}
