package v1alpha1

import (
	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PgUpgradeStatus is what Gitover observed and did.
type PgUpgradeStatus struct {
	// ObservedGeneration is the generation that this status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// the last request by reconcile.fluxcd.io/requestedAt that was answered
	meta.ReconcileRequestStatus `json:",inline"`

	// +patchMergeKey=type
	// +patchStrategy=merge
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Version of the active instance.
	// +optional
	Version string `json:"version,omitempty"`

	// Workflow in progress: Upgrade, Abort, Rollback, RevertCutover or RolledBack; empty when
	// there's none.
	// +optional
	Workflow string `json:"workflow,omitempty"`

	// Run identifies the workflow in commit trailers and object names.
	// +optional
	Run string `json:"run,omitempty"`

	// BaseCommit is the newest commit of the branch when the run began. The run's own commits come after it, so that
	// Gitover reads the history no further. If it is empty, Gitover reads the whole history.
	// +optional
	BaseCommit string `json:"baseCommit,omitempty"`

	// From is the instance that serves at the start of the workflow (blue).
	// +optional
	From string `json:"from,omitempty"`

	// To is the instance of the target version (green).
	// +optional
	To string `json:"to,omitempty"`

	// Attempt counts the cutovers tried for this pair, from 1.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`

	// RequestedBy is the commit that asked for the version.
	// +optional
	RequestedBy *Commit `json:"requestedBy,omitempty"`

	// Plan of the cutover, as people approve it; set once everything else is ready.
	// +optional
	Plan *PlanStatus `json:"plan,omitempty"`

	// ApprovedBy is the commit that approved the cutover, if that is manual.
	// +optional
	ApprovedBy *Commit `json:"approvedBy,omitempty"`

	// Step in progress, by name.
	// +optional
	Step string `json:"step,omitempty"`

	// Steps of the workflow that began.
	// +listType=map
	// +listMapKey=name
	// +optional
	Steps []StepStatus `json:"steps,omitempty"`

	// Databases that move.
	// +optional
	Databases []string `json:"databases,omitempty"`

	// CopyMethod is how the data of this upgrade is copied, and why so.
	// +optional
	CopyMethod *CopyMethodStatus `json:"copyMethod,omitempty"`

	// Copy is the progress of the initial copy.
	// +optional
	Copy *CopyStatus `json:"copy,omitempty"`

	// Lag of the side that follows.
	// +optional
	Lag *LagStatus `json:"lag,omitempty"`

	// RetainedBytes of WAL that the publishing side keeps for the side that follows.
	// +optional
	RetainedBytes int64 `json:"retainedBytes,omitempty"`

	// Findings of the preflight. Those that block come first. Each rule has its first few findings, and a count
	// of the others.
	// +optional
	Findings []Finding `json:"findings,omitempty"`

	// ReplicaIdentities that Gitover gave tables for the time of the upgrade.
	// +optional
	ReplicaIdentities *ReplicaIdentitiesStatus `json:"replicaIdentities,omitempty"`

	// Verification before the cutover.
	// +optional
	Verification *VerificationStatus `json:"verification,omitempty"`

	// Comparing is the progress of a comparison of rows that isn't finished. An interrupted comparison continues from
	// there.
	// +optional
	Comparing *ComparingStatus `json:"comparing,omitempty"`

	// Servers between which rows are replicated, since the copy began or a failover was noticed.
	// +optional
	Servers []ServerIdentity `json:"servers,omitempty"`

	// FencedAgain is the PgProxy's status.fencedAgain that was noticed last: rows were compared since, or status.failover says that they will be.
	// +optional
	FencedAgain *FencedAgainStatus `json:"fencedAgain,omitempty"`

	// Failover of a primary that Gitover is recovering from; absent once both sides are known to hold the same rows again. No switch
	// begins meanwhile.
	// +optional
	Failover *FailoverStatus `json:"failover,omitempty"`

	// Hooks that were run for this workflow, oldest first.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Hooks []HookStatus `json:"hooks,omitempty"`

	// Rehearsal that came to the gate last.
	// +optional
	Rehearsal *RehearsalStatus `json:"rehearsal,omitempty"`

	// HandledMode is spec.mode of the last upgrade that was begun.
	// +optional
	HandledMode string `json:"handledMode,omitempty"`

	// EndedBy says why Gitover ends the upgrade by itself, if it does.
	// +optional
	EndedBy string `json:"endedBy,omitempty"`

	// Analysis during the soak.
	// +optional
	Analysis *AnalysisStatus `json:"analysis,omitempty"`

	// Commits that Gitover made for this workflow, oldest first.
	// +optional
	Commits []CommitStatus `json:"commits,omitempty"`

	// Proposal is the commit that waits to be merged.
	// +optional
	Proposal *ProposalStatus `json:"proposal,omitempty"`

	// RolledBack is the revert that keeps Gitover from trying again until spec.version or spec.retry changes.
	// +optional
	RolledBack *Commit `json:"rolledBack,omitempty"`

	// HandledVersion is the last target version that Gitover acted on.
	// +optional
	HandledVersion string `json:"handledVersion,omitempty"`

	// HandledRetry is the last value of spec.retry that Gitover acted on.
	// +optional
	HandledRetry string `json:"handledRetry,omitempty"`

	// History of finished workflows, newest first.
	// +kubebuilder:validation:MaxItems=16
	// +optional
	History []HistoryEntry `json:"history,omitempty"`
}

// StepStatus is the progress of one step.
type StepStatus struct {
	Name string `json:"name"`
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
}

// LagStatus is how far the following side is behind.
type LagStatus struct {
	// Bytes of WAL.
	Bytes int64 `json:"bytes"`
	// DelayMilliseconds by which the side that follows applies changes later; absent while it isn't connected.
	// +optional
	DelayMilliseconds *int64 `json:"delayMilliseconds,omitempty"`
	// At is when it was measured.
	At metav1.Time `json:"at"`
	// Display is Bytes as people read it.
	// +optional
	Display string `json:"display,omitempty"`
	// UnderLimitSince is when the lag last went below limits.lag.
	// +optional
	UnderLimitSince *metav1.Time `json:"underLimitSince,omitempty"`
}

// Finding is one result of the preflight.
type Finding struct {
	// Name of the rule.
	Name string `json:"name"`
	// Severity: Block stops the upgrade, Warn does not stop it, Info says what Gitover does by itself.
	// +kubebuilder:validation:Enum=Block;Info;Warn
	Severity string `json:"severity"`
	// +optional
	Database string `json:"database,omitempty"`
	// +optional
	Object string `json:"object,omitempty"`
	// Why it matters.
	// +optional
	Why string `json:"why,omitempty"`
	// Fix is the exact SQL or setting.
	// +optional
	Fix string `json:"fix,omitempty"`
	// Acknowledged: the finding is listed in spec.acknowledge.
	// +optional
	Acknowledged bool `json:"acknowledged,omitempty"`
	// Count of findings that this entry stands for; one if it is missing.
	// +optional
	Count int32 `json:"count,omitempty"`
}

// ReplicaIdentitiesStatus says which tables have a replica identity that Gitover gave them.
type ReplicaIdentitiesStatus struct {
	// Tables is the number of such tables.
	Tables int32 `json:"tables"`
	// First few of these tables.
	// +kubebuilder:validation:MaxItems=20
	// +optional
	First []TableReplicaIdentity `json:"first,omitempty"`
}

// TableReplicaIdentity is a replica identity that Gitover gave a table; both are as ALTER TABLE takes them.
type TableReplicaIdentity struct {
	Database string `json:"database"`
	// Table, quoted, with its schema.
	Table string `json:"table"`
	// Identity that the table has until the upgrade ends.
	Identity string `json:"identity"`
	// Former identity, which the table gets back.
	Former string `json:"former"`
}
