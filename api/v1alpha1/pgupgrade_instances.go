package v1alpha1

import (
	"github.com/fluxcd/pkg/apis/kustomize"
)

// InstanceSpec says how the manifests of one instance come from the user's base.
type InstanceSpec struct {
	// Base is the directory of the user's manifests, below git.path.
	// +kubebuilder:default="base"
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="base must stay below git.path"
	// +optional
	Base string `json:"base,omitempty"`

	// Images whose tag follows the version.
	// +kubebuilder:default={{name: postgres, newTag: "{version}"}}
	// +kubebuilder:validation:MaxItems=8
	// +optional
	Images []ImageSpec `json:"images,omitempty"`

	// Service is the base Service's name; the instance's is "<service>-<version>", or, if it contains "{version}", what it says
	// with the version in that place, e.g. "orders-{version}-rw". The upgrade's own name by default.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(-\{version\}(-[a-z0-9]([-a-z0-9]*[a-z0-9])?)?)?$`
	// +optional
	Service string `json:"service,omitempty"`

	// MinReady is how many pods of an instance must be ready before it counts as ready, standbys included. All pods of its
	// StatefulSets and Deployments must be in any case.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=64
	// +optional
	MinReady int32 `json:"minReady,omitempty"`

	// ManagedPasswords are roles whose passwords something else sets on each instance by itself, such as an operator from a
	// Secret that all instances share. Gitover copies everything of such a role but the password, once the role is there.
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +optional
	ManagedPasswords []string `json:"managedPasswords,omitempty"`

	// Volumes says what becomes of an instance's volumes when it leaves: Delete them, or
	// Retain them. A retained volume keeps a later instance of the same version from
	// starting fresh, and Gitover will say so.
	// +kubebuilder:default=Delete
	// +kubebuilder:validation:Enum=Delete;Retain
	// +optional
	Volumes string `json:"volumes,omitempty"`

	// Patches are kustomize patches for the new instance; "{version}" and "{instance}" are replaced.
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Patches []kustomize.Patch `json:"patches,omitempty"`
}

// ImageSpec is an image whose tag names a version; "{version}" is replaced.
type ImageSpec struct {
	// Name as the base has it.
	Name string `json:"name"`
	// +optional
	NewName string `json:"newName,omitempty"`
	// +kubebuilder:default="{version}"
	// +optional
	NewTag string `json:"newTag,omitempty"`
}

// ConnectionSpec says how Gitover logs in to the instances.
type ConnectionSpec struct {
	// SecretRef names a Secret with keys "username" and "password" (see UsernameKey,
	// PasswordKey), and "ca.crt" for sslMode verify-ca and verify-full.
	SecretRef InstanceSecretReference `json:"secretRef"`

	// +kubebuilder:default="username"
	// +optional
	UsernameKey string `json:"usernameKey,omitempty"`

	// +kubebuilder:default="password"
	// +optional
	PasswordKey string `json:"passwordKey,omitempty"`

	// Port of the instances' Services.
	// +kubebuilder:default=5432
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port int32 `json:"port,omitempty"`

	// Database for work that concerns no application database.
	// +kubebuilder:default="postgres"
	// +optional
	Database string `json:"database,omitempty"`

	// SSLMode as libpq names it.
	// +kubebuilder:default="prefer"
	// +kubebuilder:validation:Enum=disable;allow;prefer;require;verify-ca;verify-full
	// +optional
	SSLMode string `json:"sslMode,omitempty"`

	// SSLRootCert is a path in the instances' own containers (an adopted server's, too) with
	// the CA bundle that they verify each other by in sslMode verify-ca and verify-full, or
	// "system" from PostgreSQL 16 on. If left out, they use TLS with channel binding instead.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self == 'system' || self.startsWith('/')",message="sslRootCert must be an absolute path, or system"
	// +optional
	SSLRootCert string `json:"sslRootCert,omitempty"`
}

// DatabasesSpec narrows which databases move.
type DatabasesSpec struct {
	// Include only these, if not empty.
	// +kubebuilder:validation:MaxItems=256
	// +listType=set
	// +optional
	Include []string `json:"include,omitempty"`

	// Exclude these.
	// +kubebuilder:validation:MaxItems=256
	// +listType=set
	// +optional
	Exclude []string `json:"exclude,omitempty"`
}

// AdoptSpec names a server that already runs, under a name that Gitover did not give.
//
// +kubebuilder:validation:XValidation:rule="has(self.host) != has(self.service)",message="set exactly one of adopt.host and adopt.service"
type AdoptSpec struct {
	// Name of the server in spec.target and in commits.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// Version of PostgreSQL that it runs.
	// +kubebuilder:validation:XValidation:rule="self in ['13','14','15','16','17','18','19']",message="adopt.version must be a supported PostgreSQL major version: 13, 14, 15, 16, 17, 18 or 19"
	Version string `json:"version"`

	// Host that both Gitover and the new instances can reach.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9:]([A-Za-z0-9.:_-]*[A-Za-z0-9:])?$`
	// +optional
	Host string `json:"host,omitempty"`

	// Service in the same namespace.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Service string `json:"service,omitempty"`

	// Port; connection.port by default.
	// +optional
	Port int32 `json:"port,omitempty"`

	// SecretRef with the same keys as connection.secretRef; that one by default.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// Path, below git.path, of its manifests: removed from Git when the upgrade is
	// finalized. If left out, Gitover does not remove the server, and says so.
	// +optional
	Path string `json:"path,omitempty"`
}
