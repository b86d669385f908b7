package delivery

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldManager is the name under which Gitover changes objects. Flux removes what managers
// whose names begin with kubectl have written.
const FieldManager = "gitover"

// RequestReconcile asks Flux to look at the repository now, after a push. It annotates the
// GitRepository alone: a Kustomization that is asked at the same time may
// reconcile the old artifact first. The token should be new each time, such as the commit's SHA.
// Errors are the API server's; a second call with the same token does nothing.
func RequestReconcile(ctx context.Context, writer client.Client, repository types.NamespacedName, token string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{meta.ReconcileRequestAnnotation: token}}})
	if err != nil {
		return err
	}
	object := &sourcev1.GitRepository{}
	object.Namespace, object.Name = repository.Namespace, repository.Name
	if err := writer.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("ask Flux to reconcile GitRepository %s: %w", repository, err)
	}
	return nil
}
