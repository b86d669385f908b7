package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ServerIdentity distinguishes the primary of an instance from a primary that replaces it.
type ServerIdentity struct {
	Instance string `json:"instance"`
	// SystemIdentifier of the data directory, which standbys share.
	SystemIdentifier string `json:"systemIdentifier"`
	// Timeline of its WAL; a standby that is promoted begins a new one.
	Timeline int64 `json:"timeline"`
}

// FencedAgainStatus is a side that follows which let applications in, and was fenced again: a standby took its primary's place that
// had not replayed the fence, or people opened it.
type FencedAgainStatus struct {
	ServerIdentity `json:",inline"`
	// At is when it was found open.
	At metav1.MicroTime `json:"at"`
}

// FailoverStatus is a primary that was replaced in the middle of an upgrade, and what is done about it.
type FailoverStatus struct {
	// Instance whose primary was replaced, or which let applications in though it follows.
	Instance string `json:"instance"`
	// Message says what happened.
	Message string `json:"message"`
	// At is when it was noticed.
	At metav1.Time `json:"at"`
	// CopyAgain: databases whose rows are to be copied again.
	// +optional
	CopyAgain []string `json:"copyAgain,omitempty"`
	// Copied: databases whose rows have been copied again.
	// +optional
	Copied []string `json:"copied,omitempty"`
	// Suspected: databases in which the side that follows may have commits that the new primary lacks. Replication continues there, so
	// rows are compared to find out.
	// +optional
	Suspected []string `json:"suspected,omitempty"`
	// Ahead: databases in which the side that follows has commits that the new primary lacks.
	// +optional
	Ahead []string `json:"ahead,omitempty"`
	// Retry is the value of spec.retry when ahead was set. Another one has these databases copied again.
	// +optional
	Retry string `json:"retry,omitempty"`
}
