package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What AnalysisSpec.OnFailure may say.
const (
	AnalysisRevert = "Revert"
	AnalysisAlert  = "Alert"
)

// AnalysisSpec says what Gitover checks during the soak, and what it does if a check fails.
type AnalysisSpec struct {
	// OnFailure of a check. Revert: Gitover commits a revert of the cutover, while RollbackReady of the PgProxy is True. Alert: the
	// condition AnalysisPassed and an event say so, and people decide.
	// +kubebuilder:default=Revert
	// +kubebuilder:validation:Enum=Revert;Alert
	// +optional
	OnFailure string `json:"onFailure,omitempty"`

	// InitialDelay after the switch before anything is checked.
	// +kubebuilder:default="1m"
	// +optional
	InitialDelay *metav1.Duration `json:"initialDelay,omitempty"`

	// Interval between two rounds of all checks.
	// +kubebuilder:default="1m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="soak.analysis.interval must be a second or more"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`

	// Threshold is how many times in a row a check may fail; at that many the analysis fails. An unknown result neither counts nor
	// interrupts the row.
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Threshold int32 `json:"threshold,omitempty"`

	// UnknownAfter is how long a check may be unknown before an event says so.
	// +kubebuilder:default="10m"
	// +optional
	UnknownAfter *metav1.Duration `json:"unknownAfter,omitempty"`

	// Checks that are made in each round.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +listType=map
	// +listMapKey=name
	Checks []AnalysisCheck `json:"checks"`
}

// AnalysisCheck measures one thing. A value outside of thresholdRange is a failure. What can't be measured is unknown: no answer, a
// timeout, no data.
//
// +kubebuilder:validation:XValidation:rule="(has(self.sql)?1:0)+(has(self.prometheus)?1:0)+(has(self.http)?1:0)+(has(self.rows)?1:0)+(has(self.replication)?1:0)+(has(self.statements)?1:0)+(has(self.pooler)?1:0) == 1",message="a check has exactly one of sql, prometheus, http, pooler, statements, rows and replication"
// +kubebuilder:validation:XValidation:rule="!has(self.prometheus) || has(self.thresholdRange)",message="a check with prometheus needs thresholdRange, e.g. {max: \"0.01\"}"
// +kubebuilder:validation:XValidation:rule="!has(self.pooler) || has(self.thresholdRange)",message="a check with pooler needs thresholdRange, e.g. {max: 20}"
// +kubebuilder:validation:XValidation:rule="!has(self.http) || !has(self.thresholdRange)",message="a check with http has http.expectedStatus in place of thresholdRange"
type AnalysisCheck struct {
	// Name of the check in the status, metrics and commits.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name"`

	// ThresholdRange of good values. SQL may go without if the query returns a boolean, which has to be true.
	// +optional
	ThresholdRange *ThresholdRange `json:"thresholdRange,omitempty"`

	// Threshold in place of the analysis' own.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Threshold int32 `json:"threshold,omitempty"`

	// Timeout of one measurement.
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('100ms') && duration(self) <= duration('30s')",message="timeout must be from 100ms to 30s"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// SQL asks the instance that serves.
	// +optional
	SQL *SQLCheck `json:"sql,omitempty"`

	// Prometheus asks a server with Prometheus' HTTP API.
	// +optional
	Prometheus *PrometheusCheck `json:"prometheus,omitempty"`

	// HTTP expects an answer with a good status.
	// +optional
	HTTP *HTTPCheck `json:"http,omitempty"`

	// Pooler asks the poolers' own statistics.
	// +optional
	Pooler *PoolerCheck `json:"pooler,omitempty"`

	// Rows counts the differences that the last comparison of rows found (spec.soak.compareEvery); none is good unless thresholdRange
	// says otherwise. This check alerts and never reverts.
	// +optional
	Rows *RowsCheck `json:"rows,omitempty"`

	// Replication counts the errors with which the old instance failed to apply changes since the last round, in the first one since
	// this upgrade's cutover; none is good unless thresholdRange says otherwise. PostgreSQL counts them from version 15 on. This check
	// alerts and never reverts.
	// +optional
	Replication *ReplicationCheck `json:"replication,omitempty"`

	// Statements compares what statements take on average with what they took on the old instance, by pg_stat_statements of both. The
	// value is the factor of the statement that got worse most; at most 2 is good unless thresholdRange says otherwise.
	// +optional
	Statements *StatementsCheck `json:"statements,omitempty"`
}

// ThresholdRange is where good values are; both ends are good. Quote numbers that have a fraction.
//
// +kubebuilder:validation:XValidation:rule="has(self.min) || has(self.max)",message="thresholdRange needs min, max or both"
type ThresholdRange struct {
	// Min is the least good value.
	// +optional
	Min *resource.Quantity `json:"min,omitempty"`

	// Max is the greatest good value.
	// +optional
	Max *resource.Quantity `json:"max,omitempty"`
}

// SQLCheck runs a query in a transaction that may only read.
type SQLCheck struct {
	// Database to connect to.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Database string `json:"database"`

	// Query returns one row with one column: a number or a boolean. NULL, or no row, is unknown.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	Query string `json:"query"`

	// SecretRef names a Secret with username and password of a role that may read what the query needs, and no more. A superuser
	// is refused. The account by which Flux applies this PgUpgrade has to be allowed to get it.
	SecretRef SecretReference `json:"secretRef"`
}

// PrometheusCheck asks for one value.
//
// +kubebuilder:validation:XValidation:rule="!has(self.secretRef) || self.address.startsWith('https://')",message="prometheus.secretRef needs an address with https://: credentials are not sent over plain http"
type PrometheusCheck struct {
	// Address of the server, e.g. http://prometheus.monitoring:9090.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://`
	Address string `json:"address"`

	// Query in PromQL that yields a scalar or a single series. {namespace}, {upgrade}, {instance} and {version} are replaced by those
	// of the instance that serves. No series is unknown.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	Query string `json:"query"`

	// SecretRef names a Secret with what the server asks for by https: token, or username and password; and ca.crt to trust. The
	// account by which Flux applies this PgUpgrade has to be allowed to get it.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`
}

// HTTPCheck sends a GET request. Redirects are not followed: their own status counts.
//
// +kubebuilder:validation:XValidation:rule="!has(self.secretRef) || self.url.startsWith('https://')",message="http.secretRef needs a url with https://: credentials are not sent over plain http"
type HTTPCheck struct {
	// URL of the request. {namespace}, {upgrade}, {instance} and {version} are replaced by those of the instance that serves.
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://`
	URL string `json:"url"`

	// ExpectedStatus of the answer; 200 to 299 if it is not set.
	// +optional
	ExpectedStatus *StatusRange `json:"expectedStatus,omitempty"`

	// SecretRef names a Secret with what the server asks for by https: token, or username and password; and ca.crt to trust. The
	// account by which Flux applies this PgUpgrade has to be allowed to get it.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`
}

// StatusRange is a range of HTTP status codes; both ends are in it.
//
// +kubebuilder:validation:XValidation:rule="self.min <= self.max",message="expectedStatus.min is greater than expectedStatus.max"
type StatusRange struct {
	// +kubebuilder:validation:Minimum=100
	// +kubebuilder:validation:Maximum=599
	Min int32 `json:"min"`
	// +kubebuilder:validation:Minimum=100
	// +kubebuilder:validation:Maximum=599
	Max int32 `json:"max"`
}

// PoolerCheck is about the work that passed the poolers, in their last period (PgBouncer's stats_period, a minute).
type PoolerCheck struct {
	// Metric. QueryTime and TransactionTime: milliseconds that one took on average. WaitTime: milliseconds that all clients together
	// waited for a server connection, in each second. QueryRate and TransactionRate: how many ended in each second.
	// +kubebuilder:validation:Enum=QueryTime;TransactionTime;WaitTime;QueryRate;TransactionRate
	Metric string `json:"metric"`
}

// StatementsCheck says which statements count.
type StatementsCheck struct {
	// Database whose statements are compared. pg_stat_statements is installed there, on both sides.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Database string `json:"database"`

	// MinCalls of a statement on each side.
	// +kubebuilder:default=50
	// +kubebuilder:validation:Minimum=1
	// +optional
	MinCalls int32 `json:"minCalls,omitempty"`

	// MinTime that a statement takes now, on average; what takes less doesn't count.
	// +kubebuilder:default="1ms"
	// +optional
	MinTime *metav1.Duration `json:"minTime,omitempty"`
}

// RowsCheck has no settings of its own.
type RowsCheck struct{}

// ReplicationCheck has no settings of its own.
type ReplicationCheck struct{}
