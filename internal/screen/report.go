package screen

import (
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Objects are what one look found. All but the PgUpgrade may be missing.
type Objects struct {
	Upgrade       *v1alpha1.PgUpgrade
	Proxy         *v1alpha1.PgProxy
	Source        *sourcev1.GitRepository
	Kustomization *kustomizev1.Kustomization
	// Notes say what could not be read, and why.
	Notes []string
}

// Report is how an upgrade stands.
type Report struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Version that the instance has which serves.
	Version string `json:"version,omitempty"`
	// WantedVersion is spec.version; empty where the version comes from another file.
	WantedVersion string `json:"wantedVersion,omitempty"`
	// Active instance, and Target, which Git wants to serve.
	Active string `json:"active,omitempty"`
	Target string `json:"target,omitempty"`
	// From and To are the pair of the run in progress, or of the last one.
	From     string           `json:"from,omitempty"`
	To       string           `json:"to,omitempty"`
	Workflow string           `json:"workflow,omitempty"`
	Step     string           `json:"step,omitempty"`
	Run      string           `json:"run,omitempty"`
	Attempt  int32            `json:"attempt,omitempty"`
	Began    *metav1.Time     `json:"began,omitempty"`
	AskedBy  *v1alpha1.Commit `json:"askedBy,omitempty"`
	Suspend  bool             `json:"suspended,omitempty"`

	// Now is what Gitover does or waits for.
	Now string `json:"now"`
	// Safe says whether applications and their rows are safe.
	Safe Verdict `json:"safe"`
	// ToDo is what a person must or may do.
	ToDo ToDo `json:"toDo"`

	// Ready and ProxyReady are the conditions; Stalled says that nothing goes on before a human acts.
	Ready      *metav1.Condition `json:"ready,omitempty"`
	ProxyReady *metav1.Condition `json:"proxyReady,omitempty"`
	Stalled    bool              `json:"stalled,omitempty"`
	// AnalysisPassed is the condition of the soak's analysis, if there is one.
	AnalysisPassed *metav1.Condition `json:"analysisPassed,omitempty"`

	Phases    []Phase                   `json:"phases,omitempty"`
	Copy      *v1alpha1.CopyStatus      `json:"copy,omitempty"`
	Comparing *v1alpha1.ComparingStatus `json:"comparing,omitempty"`
	Lag       *v1alpha1.LagStatus       `json:"lag,omitempty"`
	LagLimit  int64                     `json:"lagLimit,omitempty"`
	Commits   []Commit                  `json:"commits,omitempty"`
	Analysis  *v1alpha1.AnalysisStatus  `json:"analysis,omitempty"`
	Switch    *v1alpha1.SwitchStatus    `json:"switch,omitempty"`
	Switches  []v1alpha1.SwitchRecord   `json:"switches,omitempty"`
	Findings  []v1alpha1.Finding        `json:"findings,omitempty"`
	// Plan of the cutover, while people's approval of it is waited for.
	Plan       *v1alpha1.PlanStatus    `json:"plan,omitempty"`
	Poolers    *v1alpha1.PoolerCount   `json:"poolers,omitempty"`
	Rollback   Rollback                `json:"rollback"`
	History    []v1alpha1.HistoryEntry `json:"history,omitempty"`
	Unreadable []string                `json:"unreadable,omitempty"`
}

// Level of a verdict.
type Level string

// Levels.
const (
	Yes     Level = "Yes"
	Careful Level = "Careful"
	No      Level = "No"
	Unknown Level = "Unknown"
)

// Verdict with its reason in words.
type Verdict struct {
	Level Level  `json:"level"`
	Why   string `json:"why"`
}

// ToDo is what a person must do, or may.
type ToDo struct {
	// Must: nothing goes on before.
	Must bool   `json:"must,omitempty"`
	What string `json:"what"`
}

// State of a step.
type State string

// States.
const (
	Done    State = "done"
	Running State = "running"
	Waiting State = "waiting"
	Todo    State = "todo"
)

// Phase of a workflow, with its steps in order.
type Phase struct {
	Name  string `json:"name"`
	Steps []Step `json:"steps"`
}

// Step and its course.
type Step struct {
	Name       string       `json:"name"`
	State      State        `json:"state"`
	StartedAt  *metav1.Time `json:"startedAt,omitempty"`
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	Message    string       `json:"message,omitempty"`
}

// Commit of Gitover's and what Flux made of it.
type Commit struct {
	v1alpha1.CommitStatus `json:",inline"`
	// Flux: committed, fetched, applying or applied; unknown where Flux is at a commit that isn't one of Gitover's.
	Flux string `json:"flux"`
	// Detail says where Flux is, or what stands in the way.
	Detail string `json:"detail,omitempty"`
}

// Rollback says whether a revert of the cutover commit loses nothing.
type Rollback struct {
	Ready   bool   `json:"ready"`
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Until is when the soak ends by itself.
	Until *metav1.Time `json:"until,omitempty"`
}
