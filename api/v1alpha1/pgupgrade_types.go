package v1alpha1

import (
	"github.com/fluxcd/pkg/apis/kustomize"
	"k8s.io/apimachinery/pkg/api/resource"
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

	// Adopt names a server that already runs as the first active instance.
	// +optional
	Adopt *AdoptSpec `json:"adopt,omitempty"`

	// Limits that hold while the upgrade runs.
	// +optional
	Limits LimitsSpec `json:"limits,omitempty"`

	// Cutover says when the cutover commit may be made.
	// +optional
	Cutover CutoverSpec `json:"cutover,omitempty"`

	// Soak says how long the way back stays open.
	// +optional
	Soak SoakSpec `json:"soak,omitempty"`

	// ReplicaIdentity says who gives a table a replica identity that has none which could be published: Manual, the
	// preflight blocks with the statement; or Auto, Gitover does it by itself for the time of the upgrade, with a
	// unique index or the whole row (ALTER TABLE … REPLICA IDENTITY USING INDEX, or FULL), and gives the former one back at its end.
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

	// OtherSubscriptions says what happens to enabled subscriptions of others on the serving server, whose workers write behind
	// a fence. Block: nothing is switched while there is one. Move: each switch makes them on the server that is to serve, with
	// their slot and from the position where they ended.
	// +kubebuilder:default=Block
	// +kubebuilder:validation:Enum=Block;Move
	// +optional
	OtherSubscriptions string `json:"otherSubscriptions,omitempty"`

	// CopyInSwitch lists what isn't replicated and each switch copies. LargeObjects: before traffic is held, and behind the fence
	// what changed since; they block otherwise. UnloggedTables: while traffic is held; they start empty otherwise. A switch
	// measures beforehand how long the hold will take by it, and waits if that is more than a quarter of the hold's limit.
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:Enum=LargeObjects;UnloggedTables
	// +listType=set
	// +optional
	CopyInSwitch []string `json:"copyInSwitch,omitempty"`

	// Tablespaces by name, and those of the new instance that take their place; these must be there. What is in one that isn't
	// listed goes to the default tablespace.
	// +kubebuilder:validation:MaxProperties=64
	// +optional
	Tablespaces map[string]string `json:"tablespaces,omitempty"`

	// ApplyDDL says what happens to DDL that is run on the serving server after its schema was copied. Never: the upgrade
	// waits, and says which statements make the new server's schema equal. BeforeCutover: Gitover runs these there.
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

	// Interval between looks at the world when nothing is going on.
	// +kubebuilder:default="1m"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
}

// VersionFrom names a scalar in a YAML file.
type VersionFrom struct {
	// Path of the file from the repository's root.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="path must stay inside the repository"
	Path string `json:"path"`

	// Field is the dotted path of the value, e.g. "postgresql.image.tag". A value such as
	// "17.2" counts as its major version.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Field string `json:"field"`
}

// GitSpec names the Flux objects that deliver the manifests, and the credentials to push.
//
// +kubebuilder:validation:XValidation:rule="self.path == oldSelf.path && self.sourceRef == oldSelf.sourceRef",message="git.sourceRef and git.path are immutable; make a new PgUpgrade instead"
type GitSpec struct {
	// SourceRef names the Flux GitRepository.
	SourceRef ObjectReference `json:"sourceRef"`

	// KustomizationRef names the Flux Kustomization that applies Path. It must be the one
	// that delivered this PgUpgrade: that is the grant to write Path.
	KustomizationRef ObjectReference `json:"kustomizationRef"`

	// Path of the directory that holds upgrade, proxy, base and instances: the path of the
	// Kustomization, or below it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="path must stay inside the repository"
	Path string `json:"path"`

	// Branch to push to; the GitRepository's own by default, and no other if it follows one.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Branch string `json:"branch,omitempty"`

	// PushSecretRef names a Secret in Flux's format with the right to push; the
	// GitRepository's own by default, if it is in the same namespace.
	// +optional
	PushSecretRef *SecretReference `json:"pushSecretRef,omitempty"`

	// Author of Gitover's commits.
	// +optional
	Author CommitAuthor `json:"author,omitempty"`

	// MessageTemplate is a Go text/template for the body of commit messages.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	MessageTemplate string `json:"messageTemplate,omitempty"`
}

// CommitAuthor of Gitover's commits.
type CommitAuthor struct {
	// +kubebuilder:default="Gitover"
	// +kubebuilder:validation:MaxLength=128
	// +optional
	Name string `json:"name,omitempty"`

	// +kubebuilder:default="gitover@users.noreply.gitover.dev"
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Email string `json:"email,omitempty"`
}

// InstanceSpec says how the manifests of one instance come from the user's base.
type InstanceSpec struct {
	// Base is the directory of the user's manifests, below git.path.
	// +kubebuilder:default="base"
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/') && !self.split('/').exists(p, p == '..')",message="base must stay below git.path"
	// +optional
	Base string `json:"base,omitempty"`

	// Images whose tag follows the version.
	// +kubebuilder:default={{name: postgres, newTag: "{version}"}}
	// +kubebuilder:validation:MaxItems=8
	// +optional
	Images []ImageSpec `json:"images,omitempty"`

	// Service is the base Service's name; the instance's is "<service>-<version>". The
	// upgrade's own name by default.
	// +kubebuilder:validation:MaxLength=58
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Service string `json:"service,omitempty"`

	// Volumes says what becomes of an instance's volumes when it leaves: Delete them, or
	// Retain them. A retained volume keeps a later instance of the same version from
	// starting fresh, and Gitover will say so.
	// +kubebuilder:default=Delete
	// +kubebuilder:validation:Enum=Delete;Retain
	// +optional
	Volumes string `json:"volumes,omitempty"`

	// Patches are kustomize patches for the new instance; "{version}" and "{instance}" are replaced.
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Patches []kustomize.Patch `json:"patches,omitempty"`
}

// ImageSpec is an image whose tag names a version; "{version}" is replaced.
type ImageSpec struct {
	// Name as the base has it.
	Name string `json:"name"`
	// +optional
	NewName string `json:"newName,omitempty"`
	// +kubebuilder:default="{version}"
	// +optional
	NewTag string `json:"newTag,omitempty"`
}

// ConnectionSpec says how Gitover logs in to the instances.
type ConnectionSpec struct {
	// SecretRef names a Secret with keys "username" and "password" (see UsernameKey,
	// PasswordKey), and "ca.crt" for sslMode verify-ca and verify-full.
	SecretRef SecretReference `json:"secretRef"`

	// +kubebuilder:default="username"
	// +optional
	UsernameKey string `json:"usernameKey,omitempty"`

	// +kubebuilder:default="password"
	// +optional
	PasswordKey string `json:"passwordKey,omitempty"`

	// Port of the instances' Services.
	// +kubebuilder:default=5432
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port int32 `json:"port,omitempty"`

	// Database for work that belongs to no application database.
	// +kubebuilder:default="postgres"
	// +optional
	Database string `json:"database,omitempty"`

	// SSLMode as libpq names it.
	// +kubebuilder:default="prefer"
	// +kubebuilder:validation:Enum=disable;allow;prefer;require;verify-ca;verify-full
	// +optional
	SSLMode string `json:"sslMode,omitempty"`

	// SSLRootCert is a path in the instances' own containers (an adopted server's, too) with
	// the CA bundle that they verify each other by in sslMode verify-ca and verify-full, or
	// "system" from PostgreSQL 16 on. Left out, they use TLS with channel binding instead.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self == 'system' || self.startsWith('/')",message="sslRootCert must be an absolute path, or system"
	// +optional
	SSLRootCert string `json:"sslRootCert,omitempty"`
}

// DatabasesSpec narrows which databases move.
type DatabasesSpec struct {
	// Include only these, if not empty.
	// +kubebuilder:validation:MaxItems=256
	// +listType=set
	// +optional
	Include []string `json:"include,omitempty"`

	// Exclude these.
	// +kubebuilder:validation:MaxItems=256
	// +listType=set
	// +optional
	Exclude []string `json:"exclude,omitempty"`
}

// AdoptSpec names a server that already runs under names of its own.
//
// +kubebuilder:validation:XValidation:rule="has(self.host) != has(self.service)",message="set exactly one of adopt.host and adopt.service"
type AdoptSpec struct {
	// Name by which spec.target and commits call it.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// Version that it runs.
	// +kubebuilder:validation:XValidation:rule="self in ['13','14','15','16','17','18','19']",message="adopt.version must be a supported PostgreSQL major version: 13, 14, 15, 16, 17, 18 or 19"
	Version string `json:"version"`

	// Host that both Gitover and the new instances can reach.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9:]([A-Za-z0-9.:_-]*[A-Za-z0-9:])?$`
	// +optional
	Host string `json:"host,omitempty"`

	// Service in the same namespace.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +optional
	Service string `json:"service,omitempty"`

	// Port; connection.port by default.
	// +optional
	Port int32 `json:"port,omitempty"`

	// SecretRef with the same keys as connection.secretRef; that one by default.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// Path, below git.path, of its manifests: removed from Git when the upgrade is
	// finalized. Left out: Gitover leaves the server alone and says so.
	// +optional
	Path string `json:"path,omitempty"`
}

// LimitsSpec bounds what an upgrade may do.
type LimitsSpec struct {
	// Lag under which green counts as caught up.
	// +kubebuilder:default="1Mi"
	// +optional
	Lag *resource.Quantity `json:"lag,omitempty"`

	// LagStableFor is how long the lag must stay under the limit.
	// +kubebuilder:default="5s"
	// +optional
	LagStableFor *metav1.Duration `json:"lagStableFor,omitempty"`

	// RetainedWAL that the side that serves may hold for one database of the side that follows before the upgrade is
	// reported as stalled. 0 is no limit.
	// +kubebuilder:default="50Gi"
	// +optional
	RetainedWAL *resource.Quantity `json:"retainedWAL,omitempty"`

	// Verify says how rows are compared before the cutover: Hashes of all rows; Sample: of all rows of small tables and
	// of VerifySample percent of each table of more than a million rows that has a key of integers or UUIDs; or
	// Counts: rows are counted, not compared.
	// +kubebuilder:default=Hashes
	// +kubebuilder:validation:Enum=Hashes;Sample;Counts
	// +optional
	Verify string `json:"verify,omitempty"`

	// VerifySample is the percentage of a large table's rows that a Sample compares.
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=99
	// +optional
	VerifySample int32 `json:"verifySample,omitempty"`

	// VerifyStandby is where a standby of the side that serves answers: a Service of the namespace, or a host, and a port unless
	// it is connection.port; "{version}" and "{instance}" are replaced. Rows of that side are read there, and on its
	// primary only those that seem to differ.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9{]([-a-z0-9.{}]*[a-z0-9}])?(:[0-9]{1,5})?$`
	// +optional
	VerifyStandby string `json:"verifyStandby,omitempty"`

	// VerifyRowsPerSecond is how many rows a comparison of hashes reads of each side in a second; as many as it can if 0.
	// +kubebuilder:validation:Minimum=0
	// +optional
	VerifyRowsPerSecond int32 `json:"verifyRowsPerSecond,omitempty"`
}

// CutoverSpec is the gate before the cutover commit.
type CutoverSpec struct {
	// Approval: Automatic, or Manual: wait for ApprovedVersion.
	// +kubebuilder:default=Automatic
	// +kubebuilder:validation:Enum=Automatic;Manual
	// +optional
	Approval string `json:"approval,omitempty"`

	// ApprovedVersion opens a manual gate for this target version. Set it by a commit.
	// +optional
	ApprovedVersion string `json:"approvedVersion,omitempty"`

	// Windows in which the cutover may happen, in UTC; any time if empty.
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Windows []Window `json:"windows,omitempty"`
}

// Window is a daily time span in UTC; it may cross midnight.
type Window struct {
	// Days on which it begins; every day if empty.
	// +kubebuilder:validation:MaxItems=7
	// +listType=set
	// +optional
	Days []Weekday `json:"days,omitempty"`

	// Start as HH:MM.
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	Start string `json:"start"`

	// End as HH:MM.
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	End string `json:"end"`
}

// Weekday in English, abbreviated.
// +kubebuilder:validation:Enum=Mon;Tue;Wed;Thu;Fri;Sat;Sun
type Weekday string

// SoakSpec is the time in which a revert loses nothing.
type SoakSpec struct {
	// Duration after the cutover.
	// +kubebuilder:default="24h"
	// +optional
	Duration *metav1.Duration `json:"duration,omitempty"`

	// CompareEvery is how often rows of both sides are compared again during the soak, and after a rollback, as Limits.Verify says. Never
	// if not set: a comparison reads every table of the server that serves.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="soak.compareEvery must be a minute or more"
	// +optional
	CompareEvery *metav1.Duration `json:"compareEvery,omitempty"`

	// Finalize: Automatic when Duration is over, or Manual: wait for FinalizedVersion.
	// +kubebuilder:default=Automatic
	// +kubebuilder:validation:Enum=Automatic;Manual
	// +optional
	Finalize string `json:"finalize,omitempty"`

	// FinalizedVersion ends the soak of this version at once. Set it by a commit.
	// +optional
	FinalizedVersion string `json:"finalizedVersion,omitempty"`
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
