package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HookMoment is a point of an upgrade at which hooks run.
//
// +kubebuilder:validation:Enum=BeforeCopy;BeforeCutover;AfterCutover;BeforeFinalize
type HookMoment string

// The moments, in their order.
const (
	// BeforeCopy: the preflight passed, and nothing has been made yet.
	BeforeCopy HookMoment = "BeforeCopy"
	// BeforeCutover: the gate is open, and the cutover's commit comes next.
	BeforeCutover HookMoment = "BeforeCutover"
	// AfterCutover: the new instance serves, and the soak has begun.
	AfterCutover HookMoment = "AfterCutover"
	// BeforeFinalize: the soak is over, and the old instance is still there.
	BeforeFinalize HookMoment = "BeforeFinalize"
)

// What HookSpec.OnFailure may say.
const (
	HookBlock    = "Block"
	HookAbort    = "Abort"
	HookContinue = "Continue"
)

// HookSpec is a Job or a file of SQL in Git that runs at a moment of an upgrade, once in each attempt. Hooks of one moment run one after
// the other, as they are listed.
//
// +kubebuilder:validation:XValidation:rule="has(self.sql) != has(self.job)",message="a hook has exactly one of sql and job"
// +kubebuilder:validation:XValidation:rule="!has(self.sql) || self.sql.instance != 'New' || self.moment == 'BeforeCutover'",message="sql.instance: New is for the moment BeforeCutover: earlier there is no new instance, and later it serves"
// +kubebuilder:validation:XValidation:rule="self.onFailure != 'Abort' || self.moment in ['BeforeCopy', 'BeforeCutover']",message="onFailure: Abort is for the moments BeforeCopy and BeforeCutover; after the cutover, choose Block or Continue"
type HookSpec struct {
	// Name of the hook.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=30
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// Moment at which it runs. BeforeCopy: the preflight passed, and nothing has been made yet. BeforeCutover: the gate is open, and the
	// cutover's commit comes next. AfterCutover: the new instance serves, and the soak has begun. BeforeFinalize: the soak is over,
	// and the old instance is still there.
	Moment HookMoment `json:"moment"`

	// SQL is a file that psql runs in a Job.
	// +optional
	SQL *SQLHook `json:"sql,omitempty"`

	// Job is the manifest of a Job.
	// +optional
	Job *JobHook `json:"job,omitempty"`

	// Timeout after which it has failed.
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('24h')",message="timeout must be between a second and a day"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// OnFailure of the hook. Block: the upgrade waits until spec.retry changes, and runs it again. Abort: the upgrade ends, and the new
	// instance is removed. Continue: an event says so, and the upgrade goes on.
	// +kubebuilder:default=Block
	// +kubebuilder:validation:Enum=Block;Abort;Continue
	// +optional
	OnFailure string `json:"onFailure,omitempty"`

	// SkipInRehearsal: it doesn't run while spec.mode is Rehearse.
	// +optional
	SkipInRehearsal bool `json:"skipInRehearsal,omitempty"`
}

// SQLHook is a file of SQL.
type SQLHook struct {
	// Path of the file from the repository's root; 64 KiB at most. psql runs it, without a transaction around it, and stops at the first error.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="path must stay inside the repository"
	Path string `json:"path"`

	// Database to connect to.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Database string `json:"database"`

	// Instance to connect to: Serving, the one that serves at that moment, or New, the one that will; there transactions are read-only.
	// +kubebuilder:default=Serving
	// +kubebuilder:validation:Enum=Serving;New
	// +optional
	Instance string `json:"instance,omitempty"`

	// SecretRef names a Secret with username and password of the role to connect as; that of spec.connection if it is left out. On the new
	// instance the role must be a superuser, since no other may connect before the cutover.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`
}

// JobHook is a Job.
type JobHook struct {
	// Path of a file from the repository's root with the manifest of one Job; 64 KiB at most. Gitover gives the Job its name, owner and deadline.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="path must stay inside the repository"
	Path string `json:"path"`
}

// HookState is how far a hook has come.
//
// +kubebuilder:validation:Enum=Pending;Running;Succeeded;Failed;Canceled
type HookState string

// The states of a hook.
const (
	HookPending   HookState = "Pending"
	HookRunning   HookState = "Running"
	HookSucceeded HookState = "Succeeded"
	HookFailed    HookState = "Failed"
	HookCanceled  HookState = "Canceled"
)

// HookStatus is one execution of a hook.
type HookStatus struct {
	Name   string     `json:"name"`
	Moment HookMoment `json:"moment"`
	// Attempt of the upgrade that it belongs to.
	Attempt int32 `json:"attempt"`
	// State: Pending, its Job is to be created; Running; Succeeded; Failed; or Canceled, since the upgrade took another way; one that had begun then counts as failed in the same attempt.
	State HookState `json:"state"`
	// Revision is the commit at which its file was read, and Digest the SHA-256 of the content.
	// +optional
	Revision string `json:"revision,omitempty"`
	// +optional
	Digest string `json:"digest,omitempty"`
	// Job that runs it.
	// +optional
	Job string `json:"job,omitempty"`
	// Retry is the value of spec.retry when it was begun; a failed one runs again when that changes.
	// +optional
	Retry string `json:"retry,omitempty"`
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Output: its last lines.
	// +optional
	Output string `json:"output,omitempty"`
	// Message says why it failed, or what keeps it from running.
	// +optional
	Message string `json:"message,omitempty"`
}
