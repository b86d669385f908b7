// Package v1alpha1 holds Gitover's kinds: PgUpgrade, which says what version a database
// should have, and PgProxy, which says which instance applications reach.
//
// +kubebuilder:object:generate=true
// +groupName=gitover.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "gitover.dev", Version: "v1alpha1"}

// RevisionAnnotation of an event names the commit that it speaks of, in Flux's notation.
const RevisionAnnotation = "gitover.dev/revision"

// AddToScheme registers the kinds.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &PgUpgrade{}, &PgUpgradeList{}, &PgProxy{}, &PgProxyList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
