package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SecretReference names a Secret in the object's own namespace.
type SecretReference struct {
	// Name of the Secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
}

// InstanceSecretReference names the Secret of each instance in the object's own namespace: one for all, or one for each if the
// name has a place for the instance.
type InstanceSecretReference struct {
	// Name of the Secret. "{instance}" and "{version}" are replaced, as in "{instance}-pguser-postgres", the Secret that an
	// operator makes for each cluster.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]|[{](instance|version)[}])(([-a-z0-9.]|[{](instance|version)[}])*([a-z0-9]|[{](instance|version)[}]))?$')",message="must be the name of a Secret, in which only {instance} and {version} are replaced"
	Name string `json:"name"`
}

// ObjectReference names an object by name, in the referring object's own namespace
// unless a namespace is given.
type ObjectReference struct {
	// Name of the object.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`

	// Namespace of the object; the referring object's own if left out.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// LocalReference names an object in the same namespace.
type LocalReference struct {
	// Name of the object.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
}

// Endpoint is where one instance answers.
type Endpoint struct {
	// Host is a DNS name or address.
	Host string `json:"host"`

	// Port of the PostgreSQL protocol.
	Port int32 `json:"port"`
}

// Commit is a Git commit as Gitover speaks of it.
type Commit struct {
	// SHA is the full object name.
	SHA string `json:"sha"`

	// Subject is the first line of the message.
	// +optional
	Subject string `json:"subject,omitempty"`

	// Author as "Name <address>".
	// +optional
	Author string `json:"author,omitempty"`

	// Time of authorship.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`

	// Signed: it carries a signature. Whether that is to be trusted is for Flux to judge (GitRepository.spec.verify).
	// +optional
	Signed bool `json:"signed,omitempty"`
}

// Verdicts on a check.
const (
	CheckPassed  = "Passed"
	CheckFailed  = "Failed"
	CheckUnknown = "Unknown"
)
