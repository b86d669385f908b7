package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ComparingStatus is the progress of a comparison of rows.
type ComparingStatus struct {
	// Found so far; at is when it began.
	Found VerificationStatus `json:"found"`
	// RowsExpected in all databases, as the planner's statistics have them.
	// +optional
	RowsExpected int64 `json:"rowsExpected,omitempty"`
	// Method of spec.limits.verify.
	// +optional
	Method string `json:"method,omitempty"`
	// Database that is being compared; those before it in status.databases are done.
	// +optional
	Database string `json:"database,omitempty"`
	// Schema and Table to continue with; tables that sort before it are done.
	// +optional
	Schema string `json:"schema,omitempty"`
	// +optional
	Table string `json:"table,omitempty"`
	// Bound of the table's leading key: rows from this value on are still to be compared. Empty: all rows.
	// +optional
	Bound string `json:"bound,omitempty"`
	// ETA is when the comparison should end at this rate.
	// +optional
	ETA *metav1.Time `json:"eta,omitempty"`
}

// VerificationStatus is the evidence that both sides hold the same rows.
type VerificationStatus struct {
	Tables int32 `json:"tables"`
	Rows   int64 `json:"rows"`
	// Sampled is the number of tables of which only a part of the rows was compared.
	// +optional
	Sampled int32 `json:"sampled,omitempty"`
	// OnStandby is how many of these rows were read on a standby instead of the primary.
	// +optional
	OnStandby int64 `json:"onStandby,omitempty"`
	// InFlight is how many rows kept changing while they were compared.
	// +optional
	InFlight int64 `json:"inFlight,omitempty"`
	// +optional
	Mismatches []string `json:"mismatches,omitempty"`
	// Differ: databases with rows that differ.
	// +optional
	Differ []string    `json:"differ,omitempty"`
	At     metav1.Time `json:"at"`
	// Servers that were compared. A primary that was replaced since may lack rows.
	// +optional
	Servers []ServerIdentity `json:"servers,omitempty"`
}
