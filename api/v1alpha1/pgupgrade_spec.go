package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// VersionFrom names a scalar in a YAML file.
type VersionFrom struct {
	// Path of the file from the repository's root.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="path must stay inside the repository"
	Path string `json:"path"`

	// Field is the dotted path of the value, e.g. "postgresql.image.tag". A value such as
	// "17.2" counts as its major version.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Field string `json:"field"`
}

// LimitsSpec bounds what an upgrade may do.
type LimitsSpec struct {
	// Lag under which green counts as caught up.
	// +kubebuilder:default="1Mi"
	// +optional
	Lag *resource.Quantity `json:"lag,omitempty"`

	// LagStableFor is how long the lag must stay under the limit.
	// +kubebuilder:default="5s"
	// +optional
	LagStableFor *metav1.Duration `json:"lagStableFor,omitempty"`

	// RetainedWAL that the side that serves may hold for one database of the side that follows before the upgrade is
	// reported as stalled. 0 is no limit.
	// +kubebuilder:default="50Gi"
	// +optional
	RetainedWAL *resource.Quantity `json:"retainedWAL,omitempty"`

	// Verify says how rows are compared before the cutover: Hashes of all rows; Sample: of all rows of small tables and
	// of VerifySample percent of each table of more than a million rows that has a key of integers or UUIDs; or
	// Counts: rows are counted, not compared.
	// +kubebuilder:default=Hashes
	// +kubebuilder:validation:Enum=Hashes;Sample;Counts
	// +optional
	Verify string `json:"verify,omitempty"`

	// VerifySample is the percentage of a large table's rows that a Sample compares.
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=99
	// +optional
	VerifySample int32 `json:"verifySample,omitempty"`

	// VerifyStandby is where a standby of the side that serves answers: a Service of the namespace, or a host, and a port unless
	// it is connection.port; "{version}" and "{instance}" are replaced. Rows of that side are read on the standby; on the
	// primary only those that seem to differ are read again.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9{]([-a-z0-9.{}]*[a-z0-9}])?(:[0-9]{1,5})?$`
	// +optional
	VerifyStandby string `json:"verifyStandby,omitempty"`

	// VerifyRowsPerSecond limits how many rows a comparison of hashes reads on each side in a second. 0 is no limit.
	// +kubebuilder:validation:Minimum=0
	// +optional
	VerifyRowsPerSecond int32 `json:"verifyRowsPerSecond,omitempty"`
}

// CutoverSpec is the gate before the cutover commit.
type CutoverSpec struct {
	// Approval: Automatic, or Manual: wait for ApprovedVersion.
	// +kubebuilder:default=Automatic
	// +kubebuilder:validation:Enum=Automatic;Manual
	// +optional
	Approval string `json:"approval,omitempty"`

	// ApprovedVersion opens a manual gate for this target version. Set it by a commit.
	// +optional
	ApprovedVersion string `json:"approvedVersion,omitempty"`

	// ApprovedPlan binds a manual approval to a plan: status.plan.digest, or its first 12 characters or more. The gate is closed
	// for any other plan.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{12,64}$`
	// +optional
	ApprovedPlan string `json:"approvedPlan,omitempty"`

	// Windows in which the cutover may happen; any time if empty.
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Windows []Window `json:"windows,omitempty"`
}

// SoakSpec is the time in which a revert loses nothing.
type SoakSpec struct {
	// Duration after the cutover.
	// +kubebuilder:default="24h"
	// +optional
	Duration *metav1.Duration `json:"duration,omitempty"`

	// CompareEvery is how often rows of both sides are compared again during the soak and after a rollback, by the method of
	// Limits.Verify. If it is not set, they are not compared again: a comparison reads every table of the serving server.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="soak.compareEvery must be a minute or more"
	// +optional
	CompareEvery *metav1.Duration `json:"compareEvery,omitempty"`

	// Analysis checks the instance that serves, again and again, and returns to the old one if a check fails. While a check fails or
	// is unknown, the soak doesn't end by itself.
	// +optional
	Analysis *AnalysisSpec `json:"analysis,omitempty"`

	// Finalize: Automatic when Duration is over, or Manual: wait for FinalizedVersion.
	// +kubebuilder:default=Automatic
	// +kubebuilder:validation:Enum=Automatic;Manual
	// +optional
	Finalize string `json:"finalize,omitempty"`

	// FinalizedVersion ends the soak of this version at once. Set it by a commit.
	// +optional
	FinalizedVersion string `json:"finalizedVersion,omitempty"`
}
