package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CommitStatus is one of Gitover's commits.
type CommitStatus struct {
	Commit `json:",inline"`
	// Step that made it.
	Step string `json:"step"`
	// Attempt that it belongs to, of a commit that is known by its content alone: Gitover's own was squashed, or people wrote it.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`
	// Workflow that such a commit was made in.
	// +optional
	Workflow string `json:"workflow,omitempty"`
	// Round of the analysis that had such a commit made; 0 for the first one.
	// +optional
	Round int32 `json:"round,omitempty"`
	// AppliedAt is when Flux was seen to have applied it.
	// +optional
	AppliedAt *metav1.Time `json:"appliedAt,omitempty"`
}

// HistoryEntry is one finished workflow.
type HistoryEntry struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Outcome: Finalized, Aborted, Rehearsed or RolledBack.
	Outcome    string      `json:"outcome"`
	FinishedAt metav1.Time `json:"finishedAt"`
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// Reason why Gitover ended it by itself, if it did.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Attempts is how many cutovers were tried.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`
	// Commits that Gitover made for it, oldest first.
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Commits []CommitStatus `json:"commits,omitempty"`
}
