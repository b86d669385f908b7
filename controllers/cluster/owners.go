package cluster

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// saysReady are the kinds of operators that write a condition Ready, though only some time after their object was made: as
// long as there is none, it isn't ready. Objects of other kinds are judged by that condition if they have it.
var saysReady = []schema.GroupKind{
	{Group: "postgresql.cnpg.io", Kind: "Cluster"},
}

// builtIn are the groups whose objects are judged before their owners are.
var builtIn = map[string]bool{"apps": true, "batch": true, "": true}

// noteOwners reads the operators' objects that pods and sets belong to. One that may not be read is told, and leaves the
// judgement to its pods and to SQL.
func (w *workload) noteOwners(ctx context.Context) error {
	for _, owner := range w.owners {
		gvk := schema.FromAPIVersionAndKind(owner.APIVersion, owner.Kind)
		if builtIn[gvk.Group] {
			continue
		}
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(gvk)
		err := w.port.Uncached.Get(ctx, client.ObjectKey{Namespace: w.port.Namespace, Name: owner.Name}, object)
		switch {
		case apierrors.IsNotFound(err):
			w.fail("%s %s, which its pods belong to, is gone", owner.Kind, owner.Name)
		case apierrors.IsForbidden(err):
			w.Unread = fmt.Sprintf("%s %s may not be read (grant get on %s to the controller); its pods and SQL are what is known", owner.Kind, owner.Name, gvk.GroupKind())
		case err != nil:
			return fmt.Errorf("read %s %s: %w", owner.Kind, owner.Name, err)
		default:
			if ready, message := ownerReady(object); !ready {
				w.fail("%s %s is not ready%s", owner.Kind, owner.Name, message)
			}
		}
	}
	return nil
}

// ownerReady goes by the condition Ready of an operator's object, and says what the operator says.
func ownerReady(object *unstructured.Unstructured) (ready bool, message string) {
	if object.GetDeletionTimestamp() != nil {
		return false, ": it is being deleted"
	}
	conditions, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
	if err != nil {
		conditions = nil // another shape than Kubernetes' conditions says nothing
	}
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if !ok || condition["type"] != "Ready" {
			continue
		}
		if condition["status"] == string(metav1.ConditionTrue) {
			return true, ""
		}
		if text, ok := condition["message"].(string); ok && text != "" {
			return false, ": " + text
		}
		return false, ""
	}
	if slices.Contains(saysReady, object.GroupVersionKind().GroupKind()) {
		return false, " yet"
	}
	return true, ""
}
