package access

import (
	"cmp"
	"context"
	"fmt"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
)

// MayRunJobs is nil if the ServiceAccount by which Flux applies the upgrade's directory may create Jobs in its namespace: else
// whoever may commit there could run by Gitover what Flux wouldn't. Without such an account Flux applies with its own rights.
func MayRunJobs(ctx context.Context, c client.Client, upgrade *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) error {
	if k == nil || k.Spec.ServiceAccountName == "" {
		return nil
	}
	user := fmt.Sprintf("system:serviceaccount:%s:%s", k.Namespace, k.Spec.ServiceAccountName)
	review := &authorizationv1.LocalSubjectAccessReview{
		ObjectMeta: metav1.ObjectMeta{Namespace: upgrade.Namespace},
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + k.Namespace, "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: upgrade.Namespace, Verb: "create", Group: "batch", Resource: "jobs"},
		},
	}
	if err := c.Create(ctx, review); err != nil {
		return fmt.Errorf("ask what %s may do: %w", user, err)
	}
	if !review.Status.Allowed {
		return AccessDenied("spec.hooks run Jobs in namespace %s, but ServiceAccount %s/%s, by which Kustomization %s applies this PgUpgrade, may not create Jobs there; grant it that, or remove the hooks (%s)",
			upgrade.Namespace, k.Namespace, k.Spec.ServiceAccountName, k.Name, cmp.Or(review.Status.Reason, "no rule allows it"))
	}
	return nil
}
