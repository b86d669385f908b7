package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AnalysisStatus is what the checks of the soak found.
type AnalysisStatus struct {
	// Passed is how many rounds all checks passed.
	// +optional
	Passed int32 `json:"passed,omitempty"`

	// LastRound is when the checks were last made.
	// +optional
	LastRound *metav1.Time `json:"lastRound,omitempty"`

	// Checks, each with its last result.
	// +listType=map
	// +listMapKey=name
	// +optional
	Checks []AnalysisCheckStatus `json:"checks,omitempty"`

	// Failure of the analysis: the first check that reached its threshold.
	// +optional
	Failure *AnalysisFailure `json:"failure,omitempty"`

	// Round counts the requests by spec.retry to revert again after people refused that.
	// +optional
	Round int32 `json:"round,omitempty"`
}

// AnalysisCheckStatus is the last result of a check.
type AnalysisCheckStatus struct {
	Name string `json:"name"`
	// Verdict on the last measurement.
	// +kubebuilder:validation:Enum=Passed;Failed;Unknown
	Verdict string `json:"verdict"`
	// Since when the verdict is the same.
	Since metav1.Time `json:"since"`
	// Value that was last measured.
	// +optional
	Value string `json:"value,omitempty"`
	// Wanted values, as people read them.
	// +optional
	Wanted string `json:"wanted,omitempty"`
	// Failures in a row.
	// +optional
	Failures int32 `json:"failures,omitempty"`
	// Threshold of failures in a row.
	Threshold int32 `json:"threshold"`
	// Message says why the result is unknown.
	// +optional
	Message string `json:"message,omitempty"`
	// Definition is a digest of the check that was made; failures of another one don't count.
	// +optional
	Definition string `json:"definition,omitempty"`
	// Counted is the last value of the counter whose growth is judged.
	// +optional
	Counted *int64 `json:"counted,omitempty"`
}

// AnalysisFailure is why the cutover is to be reverted.
type AnalysisFailure struct {
	// Check that failed.
	Check string `json:"check"`
	// Message with its values.
	Message string `json:"message"`
	// Value of the last measurement, and the values that are wanted.
	Value  string `json:"value"`
	Wanted string `json:"wanted"`
	// Failures in a row.
	Failures int32 `json:"failures"`
	// At is when the threshold was reached.
	At metav1.Time `json:"at"`
	// DecidedAt is when Gitover decided to revert the cutover.
	// +optional
	DecidedAt *metav1.Time `json:"decidedAt,omitempty"`
	// Refused says how people refused the revert. The analysis doesn't revert again before spec.retry changes.
	// +optional
	Refused string `json:"refused,omitempty"`
	// Retry is spec.retry when the revert was refused.
	// +optional
	Retry string `json:"retry,omitempty"`
}
