package security

import (
	"fmt"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/gitover/gitover/test/e2e/testenv"
)

// nothingOutside: with the manifests' rights the account can do nothing in another
// namespace nor in the cluster, and in its own no more than they say.
func nothingOutside(t *testing.T, w *testenv.Environment, namespace string, wanted map[right]bool) {
	t.Helper()
	may := func(in string, r right) bool {
		resource, sub, _ := strings.Cut(r.resource, "/")
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               fmt.Sprintf("system:serviceaccount:%s:%s", namespace, controller),
			Groups:             []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: in, Verb: r.verb, Group: r.group, Resource: resource, Subresource: sub},
		}}
		must(t, w.Client.Create(t.Context(), review))
		return review.Status.Allowed
	}
	for r := range wanted {
		if !may(namespace, r) {
			t.Errorf("in its own namespace the controller can't %s", r)
		}
		for _, elsewhere := range []string{"default", "kube-system", "flux-system", testenv.SystemNamespace, ""} {
			if may(elsewhere, r) {
				t.Errorf("a controller of the namespace %s can %s in %q", namespace, r, elsewhere)
			}
		}
	}
	for _, r := range []right{{"", "secrets", "list"}, {"", "secrets", "watch"}, {"", "secrets", "delete"}, {"", "pods", "create"}, {"", "pods/exec", "create"},
		{"apps", "statefulsets", "patch"}, {"gitover.dev", "pgupgrades", "delete"}, {"rbac.authorization.k8s.io", "roles", "patch"}, {"*", "*", "*"}} {
		if may(namespace, r) {
			t.Errorf("the controller can %s", r)
		}
	}
}
