package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What spec.mode may say.
const (
	ModeUpgrade  = "Upgrade"
	ModeRehearse = "Rehearse"
)

// RehearsalStatus is the report of a rehearsal that came to the gate.
type RehearsalStatus struct {
	// Version that was rehearsed, and the Run.
	Version string `json:"version"`
	Run     string `json:"run"`
	// Report in lines: how long each step took, what was copied and compared, what hooks said.
	// +optional
	Report []string `json:"report,omitempty"`
	// PassedAt is when everything was ready to cut over.
	PassedAt metav1.Time `json:"passedAt"`
}
