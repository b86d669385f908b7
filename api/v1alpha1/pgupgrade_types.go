package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PgUpgradeSpec says what version a database should have, and where and how to get there.
//
// +kubebuilder:validation:XValidation:rule="has(self.version) != has(self.versionFrom)",message="set exactly one of version and versionFrom"
// +kubebuilder:validation:XValidation:rule="self.proxyRef == oldSelf.proxyRef",message="proxyRef is immutable; make a new PgUpgrade instead"
type PgUpgradeSpec struct {
	// Version is the PostgreSQL major version that this database should have. Changing it
	// starts an upgrade (or a downgrade); changing it back before the cutover aborts.
	// +kubebuilder:validation:XValidation:rule="self in ['13','14','15','16','17','18','19']",message="version must be a supported PostgreSQL major version: 13, 14, 15, 16, 17, 18 or 19"
	// +optional
	Version string `json:"version,omitempty"`

	// VersionFrom reads the version from another file of the same Git repository.
	// +optional
	VersionFrom *VersionFrom `json:"versionFrom,omitempty"`

	// ProxyRef names the PgProxy whose target the cutover commit changes.
	ProxyRef LocalReference `json:"proxyRef"`

	// Git says where the manifests live and how to commit to them.
	Git GitSpec `json:"git"`

	// Instance says how one instance is rendered from the user's base.
	// +optional
	Instance InstanceSpec `json:"instance,omitempty"`

	// Connection says how Gitover logs in to the instances.
	Connection ConnectionSpec `json:"connection"`

	// Databases narrows which databases move; all application databases by default.
	// +optional
	Databases DatabasesSpec `json:"databases,omitempty"`

	// Copy says how the data gets to the new instance.
	// +optional
	Copy CopySpec `json:"copy,omitempty"`

	// Adopt names a server that already runs as the first active instance.
	// +optional
	Adopt *AdoptSpec `json:"adopt,omitempty"`

	// Limits that hold while the upgrade runs.
	// +optional
	Limits LimitsSpec `json:"limits,omitempty"`

	// Cutover says when the cutover commit may be made.
	// +optional
	Cutover CutoverSpec `json:"cutover,omitempty"`

	// Mode: Upgrade; or Rehearse: everything up to the cutover's commit is done, hooks included, whatever approval, windows and freezes of the
	// cutover say, and then the new instance is removed again; status.rehearsal is the report. Mode counts when the gate is reached. A change
	// to Upgrade afterwards starts the upgrade.
	// +kubebuilder:default=Upgrade
	// +kubebuilder:validation:Enum=Upgrade;Rehearse
	// +optional
	Mode string `json:"mode,omitempty"`

	// Freezes are times in which nothing is begun.
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Freezes []Freeze `json:"freezes,omitempty"`

	// Hooks are Jobs and files of SQL in Git that run at moments of an upgrade.
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +optional
	Hooks []HookSpec `json:"hooks,omitempty"`

	// Soak says how long the rollback path stays open.
	// +optional
	Soak SoakSpec `json:"soak,omitempty"`

	// ReplicaIdentity says who gives a replica identity to a table that can't be published without one. Manual: the preflight
	// blocks and names the statement. Auto: Gitover gives it for the time of the upgrade, a unique index or the whole row (ALTER
	// TABLE … REPLICA IDENTITY USING INDEX, or FULL), and restores the former one at the end.
	// +kubebuilder:default=Manual
	// +kubebuilder:validation:Enum=Manual;Auto
	// +optional
	ReplicaIdentity string `json:"replicaIdentity,omitempty"`

	// Acknowledge lists preflight findings, by name or "name/database/object", that the
	// team accepts. A blocking finding that is listed no longer blocks.
	// +kubebuilder:validation:MaxItems=64
	// +listType=set
	// +optional
	Acknowledge []string `json:"acknowledge,omitempty"`

	// OtherSubscriptions says what happens to enabled subscriptions on the serving server that are not Gitover's: a fence
	// doesn't stop their workers from writing. Block: no switch begins while there is one. Move: each switch creates them on
	// the server that is to serve, with the same slot and from the position that they had reached.
	// +kubebuilder:default=Block
	// +kubebuilder:validation:Enum=Block;Move
	// +optional
	OtherSubscriptions string `json:"otherSubscriptions,omitempty"`

	// CopyInSwitch lists what logical replication doesn't carry and each switch copies. LargeObjects: copied before traffic is
	// held, and what changed since then behind the fence; without this entry they block the upgrade. UnloggedTables: copied while
	// traffic is held; without this entry they start empty. A switch measures beforehand how much longer it will hold traffic,
	// and waits if that is more than a quarter of the hold limit.
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=LargeObjects;UnloggedTables
	// +listType=set
	// +optional
	CopyInSwitch []string `json:"copyInSwitch,omitempty"`

	// Tablespaces maps a tablespace to the one of the new instance that replaces it, which must exist. Tables and indexes of a
	// tablespace that isn't listed go to the default tablespace.
	// +kubebuilder:validation:MaxProperties=64
	// +optional
	Tablespaces map[string]string `json:"tablespaces,omitempty"`

	// ApplyDDL says what happens to DDL that is run on the serving server after its schema was copied. Never: the upgrade
	// waits, and names the statements that make the new server's schema equal. BeforeCutover: Gitover runs these
	// statements on the new server.
	// +kubebuilder:default=Never
	// +kubebuilder:validation:Enum=Never;BeforeCutover
	// +optional
	ApplyDDL string `json:"applyDDL,omitempty"`

	// Retry asks, by any change of its value, for another attempt after a rollback or a failure.
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Retry string `json:"retry,omitempty"`

	// Suspend stops Gitover after the current step. Replication goes on.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// Interval between two checks when nothing is in progress.
	// +kubebuilder:default="1m"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
}

// PgUpgrade says what version a database should have.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=pgupgrades,shortName=pgu,categories={gitover,all}
// +kubebuilder:validation:XValidation:rule="!self.metadata.name.contains('.')",message="the name must have no dot, since Services are called <name>-<version>"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="the name must have at most 40 characters, since instances are called <name>-<version>"
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.from`
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.status.to`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.step`
// +kubebuilder:printcolumn:name="Copied",type=string,JSONPath=`.status.copy.percent`
// +kubebuilder:printcolumn:name="Lag",type=string,JSONPath=`.status.lag.display`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PgUpgrade struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   PgUpgradeSpec   `json:"spec"`
	Status PgUpgradeStatus `json:"status,omitempty"`
}

// PgUpgradeList is a list of PgUpgrade.
//
// +kubebuilder:object:root=true
type PgUpgradeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PgUpgrade `json:"items"`
}

// GetConditions returns the status conditions.
func (u *PgUpgrade) GetConditions() []metav1.Condition { return u.Status.Conditions }

// SetConditions sets the status conditions.
func (u *PgUpgrade) SetConditions(c []metav1.Condition) { u.Status.Conditions = c }
