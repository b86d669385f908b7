package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// PoolerSpec says what holds and leads the traffic.
//
// +kubebuilder:validation:XValidation:rule="self.type == 'Service' ? !has(self.selector) : has(self.selector)",message="selector names the pods of a PgBouncer, HAProxy or NGINX, which need it; type Service has none"
// +kubebuilder:validation:XValidation:rule="(self.type == 'Service') == has(self.service)",message="service names the Service of type Service, which needs it; leave it out with other types"
type PoolerSpec struct {
	// Type of the pooler. PgBouncer holds clients between two transactions, and they notice nothing. HAProxy holds new
	// connections; a switch closes those that exist, each when its transaction is over. NGINX stands still in a switch, and
	// transactions of several statements are cut. Service is a plain Kubernetes Service: as HAProxy, but new connections are
	// refused for a moment (docs/proxies.md).
	// +kubebuilder:default=PgBouncer
	// +kubebuilder:validation:Enum=PgBouncer;HAProxy;NGINX;Service
	// +optional
	Type string `json:"type,omitempty"`

	// Selector of the pooler's pods in the same namespace.
	// +optional
	Selector metav1.LabelSelector `json:"selector,omitzero"`

	// Service without a selector, in the same namespace, whose EndpointSlice Gitover writes; with type Service.
	// +optional
	Service *LocalReference `json:"service,omitempty"`

	// AgentPort on which the pods' agents answer.
	// +kubebuilder:default=8600
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	AgentPort int32 `json:"agentPort,omitempty"`
}
