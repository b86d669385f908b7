package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Methods of the initial copy.
const (
	CopyAuto     = "Auto"
	CopyPhysical = "Physical"
	CopyLogical  = "Logical"
	CopyParallel = "Parallel"
)

// CopySpec says how the data gets to the new instance before replication follows.
// +kubebuilder:validation:XValidation:rule="self.method == 'Parallel' || !has(self.workers) && !has(self.bytesPerSecond) && !has(self.commitLatency) && !has(self.paused)",message="copy.workers, copy.bytesPerSecond, copy.commitLatency and copy.paused are for method Parallel: set copy.method: Parallel, or remove them"
type CopySpec struct {
	// Method of the copy. Logical: PostgreSQL copies every table, and indexes are built afterwards. Physical: the data
	// directory is copied and upgraded by pg_upgrade, which is as fast as the disks and possible for upgrades only; where it isn't
	// possible, the upgrade waits and says why. Auto: Physical where it is possible, Logical otherwise, also after a physical
	// copy that failed. Parallel: for each database a Job of Gitover's copies the tables with several workers, large ones in parts, and builds
	// indexes as they finish; it continues where it was after a failure, in either direction.
	// +kubebuilder:default=Logical
	// +kubebuilder:validation:Enum=Auto;Physical;Logical;Parallel
	// +optional
	Method string `json:"method,omitempty"`

	// Workers of the parallel copy of a database; each has a session on blue and one on green. Two databases are copied at a time. 4 if
	// left out. A change counts from the next attempt on (spec.retry).
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	// +optional
	Workers *int32 `json:"workers,omitempty"`

	// BytesPerSecond that the parallel copy of a database reads from blue at most, e.g. 50Mi; no limit if left out. A change counts within
	// seconds, also for a copy that runs.
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Mi')) >= 0",message="copy.bytesPerSecond is a quantity of bytes, from 1Mi on, e.g. 50Mi"
	// +optional
	BytesPerSecond *resource.Quantity `json:"bytesPerSecond,omitempty"`

	// CommitLatency of blue, e.g. 50ms: the parallel copy of a database measures once a second how long a commit on blue takes, and reads less, 1 MiB a
	// second at least, while that is longer. Not measured if left out. A change counts from the next attempt on.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1ms')",message="copy.commitLatency is a duration from 1ms on, e.g. 50ms"
	// +optional
	CommitLatency *metav1.Duration `json:"commitLatency,omitempty"`

	// Paused: the parallel copy reads nothing from blue until this is false again. Blue keeps its WAL meanwhile.
	// +optional
	Paused *bool `json:"paused,omitempty"`
}

// CopyMethodStatus is the method that was chosen for an upgrade.
type CopyMethodStatus struct {
	// Method is Physical, Logical or Parallel.
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
	// IndexesTotal that a parallel copy builds.
	// +optional
	IndexesTotal int32 `json:"indexesTotal,omitempty"`
	// IndexesBuilt of them.
	// +optional
	IndexesBuilt int32 `json:"indexesBuilt,omitempty"`
	// BytesPerSecond over the whole copy.
	// +optional
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"`
	// ETA when the copy should be done at this rate.
	// +optional
	ETA *metav1.Time `json:"eta,omitempty"`
	// Percent as people read it.
	// +optional
	Percent string `json:"percent,omitempty"`
	// Failures of the copy that PostgreSQL has counted (15 and later), or pods of a parallel copy that failed; it is tried again each time.
	// +optional
	Failures int64 `json:"failures,omitempty"`
	// FailedAt is when Gitover last saw the count rise.
	// +optional
	FailedAt *metav1.Time `json:"failedAt,omitempty"`
}
