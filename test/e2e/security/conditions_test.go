package security

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
)

func condition(all []metav1.Condition, name string) metav1.Condition {
	if c := meta.FindStatusCondition(all, name); c != nil {
		return *c
	}
	return metav1.Condition{}
}

func ready(u *v1alpha1.PgUpgrade) metav1.Condition {
	return condition(u.Status.Conditions, v1alpha1.ReadyCondition)
}

func decode(document string, into any) error { return yaml.Unmarshal([]byte(document), into) }

// attackOf is the spec of a PgUpgrade for a directory, as short as it can be.
func attackOf(directory string) v1alpha1.PgUpgradeSpec {
	return v1alpha1.PgUpgradeSpec{
		Version: "15", ProxyRef: v1alpha1.LocalReference{Name: "orders"},
		Git: v1alpha1.GitSpec{SourceRef: v1alpha1.ObjectReference{Name: "fleet"}, KustomizationRef: v1alpha1.ObjectReference{Name: "orders"},
			Path: directory, PushSecretRef: &v1alpha1.SecretReference{Name: "fleet-push"}},
		Connection: v1alpha1.ConnectionSpec{SecretRef: v1alpha1.InstanceSecretReference{Name: "orders-superuser"}},
	}
}
