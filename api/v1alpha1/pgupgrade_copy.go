package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Methods of the initial copy.
const (
	CopyAuto     = "Auto"
	CopyPhysical = "Physical"
	CopyLogical  = "Logical"
)

// CopySpec says how the data gets to the new instance before replication follows.
type CopySpec struct {
	// Method of the copy. Logical: PostgreSQL copies every table, and indexes are built afterwards. Physical: the data
	// directory is copied and upgraded by pg_upgrade, which is as fast as the disks and possible for upgrades only; where it isn't
	// possible, the upgrade waits and says why. Auto: Physical where it is possible, Logical otherwise, also after a physical
	// copy that failed.
	// +kubebuilder:default=Logical
	// +kubebuilder:validation:Enum=Auto;Physical;Logical
	// +optional
	Method string `json:"method,omitempty"`
}

// CopyMethodStatus is the method that was chosen for an upgrade.
type CopyMethodStatus struct {
	// Method is Physical or Logical.
	Method string `json:"method"`
	// Reason for it, in a sentence.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Failed: a physical copy failed, and the logical one replaced it.
	// +optional
	Failed bool `json:"failed,omitempty"`
}

// CopyStatus is the progress of the initial copy.
type CopyStatus struct {
	TablesTotal  int32 `json:"tablesTotal"`
	TablesCopied int32 `json:"tablesCopied"`
	// BytesTotal is the size of all tables on blue, in bytes.
	BytesTotal int64 `json:"bytesTotal"`
	// BytesCopied so far, measured as blue's size.
	BytesCopied int64 `json:"bytesCopied"`
	// BytesPerSecond over the whole copy.
	// +optional
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"`
	// ETA when the copy should be done at this rate.
	// +optional
	ETA *metav1.Time `json:"eta,omitempty"`
	// Percent as people read it.
	// +optional
	Percent string `json:"percent,omitempty"`
	// Failures of the copy that PostgreSQL has counted (15 and later); it tries again each time.
	// +optional
	Failures int64 `json:"failures,omitempty"`
	// FailedAt is when Gitover last saw the count rise.
	// +optional
	FailedAt *metav1.Time `json:"failedAt,omitempty"`
}
