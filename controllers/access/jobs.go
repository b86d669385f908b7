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
	allowed, who, why, err := mayDeliver(ctx, c, k, authorizationv1.ResourceAttributes{Namespace: upgrade.Namespace, Verb: "create", Group: "batch", Resource: "jobs"})
	if err != nil || allowed {
		return err
	}
	return AccessDenied("spec.hooks run Jobs in namespace %s, but ServiceAccount %s, by which Kustomization %s applies this PgUpgrade, may not create Jobs there; grant it that, or remove the hooks (%s)",
		upgrade.Namespace, who, k.Name, why)
}

// MayReadSecret is nil if the ServiceAccount by which Flux applies the upgrade's directory may get a Secret of its namespace: else
// whoever may commit there could have Gitover send what the Secret holds to a server of theirs, by a check.
func MayReadSecret(ctx context.Context, c client.Client, upgrade *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization, name string) error {
	allowed, who, why, err := mayDeliver(ctx, c, k, authorizationv1.ResourceAttributes{Namespace: upgrade.Namespace, Verb: "get", Resource: "secrets", Name: name})
	if err != nil || allowed {
		return err
	}
	return AccessDenied("ServiceAccount %s, by which Flux applies this PgUpgrade, may not get Secret %s/%s; grant it that, or name another one (%s)",
		who, upgrade.Namespace, name, why)
}

// mayDeliver says whether the ServiceAccount of a Kustomization may do that, which one it is, and why not.
func mayDeliver(ctx context.Context, c client.Client, k *kustomizev1.Kustomization, what authorizationv1.ResourceAttributes) (allowed bool, who, why string, err error) {
	if k == nil || k.Spec.ServiceAccountName == "" {
		return true, "", "", nil
	}
	who = k.Namespace + "/" + k.Spec.ServiceAccountName
	user := fmt.Sprintf("system:serviceaccount:%s:%s", k.Namespace, k.Spec.ServiceAccountName)
	review := &authorizationv1.LocalSubjectAccessReview{
		ObjectMeta: metav1.ObjectMeta{Namespace: what.Namespace},
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + k.Namespace, "system:authenticated"},
			ResourceAttributes: &what,
		},
	}
	if err := c.Create(ctx, review); err != nil {
		return false, who, "", fmt.Errorf("ask what %s may do: %w", user, err)
	}
	return review.Status.Allowed, who, cmp.Or(review.Status.Reason, "no rule allows it"), nil
}
