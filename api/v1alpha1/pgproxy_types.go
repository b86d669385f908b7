package v1alpha1

import (
	"github.com/fluxcd/pkg/apis/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PgProxySpec says which instance the applications' endpoint leads to.
//
// +kubebuilder:validation:XValidation:rule="self.upgradeRef == oldSelf.upgradeRef",message="upgradeRef is immutable; make a new PgProxy instead"
// +kubebuilder:validation:XValidation:rule="!has(self.pooler.type) || self.pooler.type == 'PgBouncer' || !has(self.switch) || !has(self.switch.sessions) || self.switch.sessions != 'Wait'",message="switch.sessions: Wait needs pooler.type PgBouncer, since no other pooler holds sessions; say End, or leave it out"
type PgProxySpec struct {
	// Target is the instance that applications should reach. The cutover commit changes
	// this line and no other; a revert of that commit is a rollback.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Target string `json:"target"`

	// UpgradeRef names the PgUpgrade that knows the instances.
	UpgradeRef LocalReference `json:"upgradeRef"`

	// Pooler says what holds and leads the traffic.
	Pooler PoolerSpec `json:"pooler"`

	// Switch says how traffic may be held.
	// +optional
	Switch SwitchSpec `json:"switch,omitempty"`

	// Suspend keeps traffic where it is.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// SwitchSpec bounds a switch.
type SwitchSpec struct {
	// HoldLimit is the longest time that traffic is held, whatever fails.
	// +kubebuilder:default="10s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('2s') && duration(self) <= duration('60s')",message="holdLimit must be between 2s and 60s"
	// +optional
	HoldLimit *metav1.Duration `json:"holdLimit,omitempty"`

	// TransactionLimit: a transaction that is older when a switch wants to begin is an obstacle.
	// +kubebuilder:default="5s"
	// +optional
	TransactionLimit *metav1.Duration `json:"transactionLimit,omitempty"`

	// LongTransactions: Wait for them, or Terminate them.
	// +kubebuilder:default=Wait
	// +kubebuilder:validation:Enum=Wait;Terminate
	// +optional
	LongTransactions string `json:"longTransactions,omitempty"`

	// Sessions says what becomes of clients that keep a server connection for as long as they are connected, as in PgBouncer's
	// session pooling. Wait: a switch waits until they have left. End: it closes each when its transaction is over, and all of
	// them after a quarter of holdLimit, or three fifths of stallBudget while patience lasts. The default is Wait with
	// PgBouncer, and End with other poolers, whose clients are all like that.
	// +kubebuilder:validation:Enum=Wait;End
	// +optional
	Sessions string `json:"sessions,omitempty"`

	// Patience is for how long a switch waits for a moment in which traffic is held only briefly: no transaction is in
	// flight that is already open for a fifth of stallBudget, and rows arrive on the new side within a third of it.
	// Afterwards a hold waits for transactions in flight for up to a quarter of holdLimit. 0s doesn't wait.
	// +kubebuilder:default="1m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('24h')",message="patience must be between 0s and 24h"
	// +optional
	Patience *metav1.Duration `json:"patience,omitempty"`

	// StallBudget is how long clients wait at most for an attempt that doesn't succeed, while patience lasts: an attempt
	// whose transactions don't end, or whose rows don't arrive, is given up within it, and waits for a better moment.
	// +kubebuilder:default="500ms"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('50ms') && duration(self) <= duration('10s')",message="stallBudget must be between 50ms and 10s"
	// +optional
	StallBudget *metav1.Duration `json:"stallBudget,omitempty"`

	// Attempts before Gitover gives up and, after its own cutover commit, reverts it.
	// +kubebuilder:default=5
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Attempts int32 `json:"attempts,omitempty"`

	// RetryInterval between attempts.
	// +kubebuilder:default="15s"
	// +optional
	RetryInterval *metav1.Duration `json:"retryInterval,omitempty"`
}

// PgProxyStatus is where traffic goes, and how it got there.
type PgProxyStatus struct {
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

	// Active is the instance that serves. Agents write it, and nothing else, into their
	// poolers.
	// +optional
	Active string `json:"active,omitempty"`

	// ActiveSince is when it began to serve.
	// +optional
	ActiveSince *metav1.Time `json:"activeSince,omitempty"`

	// Endpoint of the active instance.
	// +optional
	Endpoint *Endpoint `json:"endpoint,omitempty"`

	// Databases that the poolers know by name.
	// +optional
	Databases []string `json:"databases,omitempty"`

	// Switch in progress.
	// +optional
	Switch *SwitchStatus `json:"switch,omitempty"`

	// FailedAttempts to reach spec.target, since it last changed.
	// +optional
	FailedAttempts int32 `json:"failedAttempts,omitempty"`

	// FailedTarget is the target that the attempts were for.
	// +optional
	FailedTarget string `json:"failedTarget,omitempty"`

	// LastFailure is why the last attempt failed.
	// +optional
	LastFailure string `json:"lastFailure,omitempty"`

	// NextAttempt is when the next attempt may begin.
	// +optional
	NextAttempt *metav1.Time `json:"nextAttempt,omitempty"`

	// Waiting for a moment in which traffic is held only briefly; the condition Ready says what for.
	// +optional
	Waiting *WaitingStatus `json:"waiting,omitempty"`

	// FencedAgain is the side that follows, if it let applications in and was fenced again. Absent after the next switch.
	// +optional
	FencedAgain *FencedAgainStatus `json:"fencedAgain,omitempty"`

	// Poolers that are ready, of all that match the selector.
	// +optional
	Poolers *PoolerCount `json:"poolers,omitempty"`

	// Switches that ended, newest first.
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Switches []SwitchRecord `json:"switches,omitempty"`
}

// WaitingStatus is a switch that waits for a moment in which traffic is held only briefly.
type WaitingStatus struct {
	// Since when it waits; spec.switch.patience counts from here.
	Since metav1.MicroTime `json:"since"`
	// Released counts attempts that were given up within spec.switch.stallBudget.
	// +optional
	Released int32 `json:"released,omitempty"`
}

// PoolerCount counts poolers.
type PoolerCount struct {
	// Ready poolers lead where they should.
	Ready int32 `json:"ready"`
	Total int32 `json:"total"`
	// Display is "ready/total".
	// +optional
	Display string `json:"display,omitempty"`
}

// SwitchStatus is a switch in progress. It is written before anything is held and never
// inside the stall.
type SwitchStatus struct {
	// ID of the switch: the key of its row in the decision register.
	ID string `json:"id"`
	// From is the instance that serves.
	From string `json:"from"`
	// To is the instance that shall serve.
	To string `json:"to"`
	// Endpoint of To.
	// +optional
	Endpoint *Endpoint `json:"endpoint,omitempty"`
	// Phase by name: Preparing, Holding, Settling or Finishing.
	Phase string `json:"phase"`
	// Commit that asked for it.
	// +optional
	Commit    *Commit     `json:"commit,omitempty"`
	StartedAt metav1.Time `json:"startedAt"`
	// Controller that carries it out, by the name of its pod.
	// +optional
	Controller string `json:"controller,omitempty"`
	// ControllerSince is when that controller began to carry it out.
	// +optional
	ControllerSince *metav1.MicroTime `json:"controllerSince,omitempty"`
	// HeldSince is the time just before traffic was last held.
	// +optional
	HeldSince *metav1.MicroTime `json:"heldSince,omitempty"`
	// Servers that the switch is between, as they were when it began.
	// +optional
	Servers []ServerIdentity `json:"servers,omitempty"`
}

// SwitchRecord is a switch that ended.
type SwitchRecord struct {
	ID   string `json:"id"`
	From string `json:"from"`
	To   string `json:"to"`
	// Outcome: Switched or Aborted.
	Outcome string `json:"outcome"`
	// Reason of an abort.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Commit that asked for it.
	// +optional
	Commit     *Commit          `json:"commit,omitempty"`
	FinishedAt metav1.MicroTime `json:"finishedAt"`
	// HeldAt is when the first pooler was told to hold.
	// +optional
	HeldAt *metav1.MicroTime `json:"heldAt,omitempty"`
	// HeldMicroseconds from the first hold to the last resume.
	// +optional
	HeldMicroseconds int64 `json:"heldMicroseconds,omitempty"`
	// Parts of the switch, in microseconds, by name.
	// +optional
	Parts map[string]int64 `json:"parts,omitempty"`
	// Position is the new side's WAL position at the commit point, per database.
	// +optional
	Position string `json:"position,omitempty"`
	// Terminated is how many sessions did not end by themselves.
	// +optional
	Terminated int32 `json:"terminated,omitempty"`
	// Servers that it was between. A primary that was replaced since may lack rows.
	// +optional
	Servers []ServerIdentity `json:"servers,omitempty"`
}

// PgProxy is the stable endpoint that applications connect to.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=pgproxies,shortName=pgp,categories={gitover,all}
// +kubebuilder:printcolumn:name="Target",type=string,JSONPath=`.spec.target`
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.active`
// +kubebuilder:printcolumn:name="Poolers",type=string,JSONPath=`.status.poolers.display`
// +kubebuilder:printcolumn:name="Rollback",type=string,JSONPath=`.status.conditions[?(@.type=="RollbackReady")].status`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PgProxy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   PgProxySpec   `json:"spec"`
	Status PgProxyStatus `json:"status,omitempty"`
}

// PgProxyList is a list of PgProxy.
//
// +kubebuilder:object:root=true
type PgProxyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []PgProxy `json:"items"`
}

// GetConditions returns the status conditions.
func (p *PgProxy) GetConditions() []metav1.Condition { return p.Status.Conditions }

// SetConditions sets the status conditions.
func (p *PgProxy) SetConditions(c []metav1.Condition) { p.Status.Conditions = c }
