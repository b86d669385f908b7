package protocol

import (
	"fmt"
	"math"
	"time"

	"github.com/gitover/gitover/steps/postgres"
)

// Target is an instance that poolers can lead to, and whose register agents can ask.
type Target struct {
	Instance  string   `json:"instance"`
	Host      string   `json:"host"`
	Port      int      `json:"port"`
	Databases []string `json:"databases"`
	// SSLMode and CA are how an agent reaches the register.
	SSLMode string `json:"sslMode,omitempty"`
	CA      []byte `json:"ca,omitempty"`
}

// TargetOf describes a server to agents, without its credentials.
func TargetOf(s postgres.Server, databases []string) Target {
	return Target{Instance: s.Instance, Host: s.Host, Port: s.Port, Databases: databases, SSLMode: s.SSLMode, CA: s.CA}
}

// StageRequest announces a switch to an agent: nothing changes for clients yet.
type StageRequest struct {
	SwitchID string `json:"switchID"`
	From     Target `json:"from"`
	To       Target `json:"to"`
}

// HoldRequest asks for clients to be held for the staged switch.
type HoldRequest struct {
	SwitchID string `json:"switchID"`
	// LimitMilliseconds from now within which the agent releases clients, whatever happens.
	LimitMilliseconds int64 `json:"limitMilliseconds"`
	// MarginMilliseconds is how long before the limit the agent asks the register itself.
	MarginMilliseconds int64 `json:"marginMilliseconds"`
	// Attended: the controller leaves this request open, also once clients are held; the agent ends it when it releases
	// them. If the request ends before, the controller is gone, and the agent asks the register at once.
	Attended bool `json:"attended,omitempty"`
}

// Limit from now.
func (h HoldRequest) Limit() time.Duration { return milliseconds(h.LimitMilliseconds) }

// Margin before the limit.
func (h HoldRequest) Margin() time.Duration { return milliseconds(h.MarginMilliseconds) }

// milliseconds that overflow a Duration become the longest one.
func milliseconds(n int64) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(min(max(n, -most), most)) * time.Millisecond
}

// HoldEvent is one line of the answer to a HoldRequest.
type HoldEvent struct {
	// Event is "entered" (no statement begins any more), "held" (none runs any more) or
	// "failed".
	Event string `json:"event"`
	Error string `json:"error,omitempty"`
	Code  string `json:"code,omitempty"`
}

// SwitchRequest names the switch that a flip, resume or abort belongs to.
type SwitchRequest struct {
	SwitchID string `json:"switchID"`
}

// PoolerState is an agent's report about its pooler.
type PoolerState struct {
	// Target that the pooler leads to now.
	Target Target `json:"target"`
	// SwitchID of the switch that the agent takes part in or last took part in.
	SwitchID string `json:"switchID,omitempty"`
	// Phase of that switch here.
	Phase HoldPhase `json:"phase,omitempty"`
	// Paused: clients are held.
	Paused bool `json:"paused"`
	// Verified: the pooler confirmed that it leads there.
	Verified bool `json:"verified"`
	// Version of the pooler.
	Version string `json:"version"`
	// Others, unless empty, says why other processes may serve clients that a hold here doesn't reach.
	Others string `json:"others,omitempty"`
	// Waiting clients, and how long the oldest has waited.
	Waiting             int   `json:"waiting"`
	OldestMilliseconds  int64 `json:"oldestMilliseconds"`
	UnixMillisecondsNow int64 `json:"unixMillisecondsNow"`
	// Sessions of clients in session pooling, which a hold would have to wait for.
	Sessions []PoolerSession `json:"sessions,omitempty"`
}

// ManyProcesses explains Others to people, and what to do.
func (s PoolerState) ManyProcesses(pooler string) string {
	return fmt.Sprintf("pooler %s can't be held: %s, and a hold reaches one of them; run one PgBouncer per pod, without so_reuseport and "+
		"peers in the same pod, and more pods for more load", pooler, s.Others)
}

// PoolerSession is a client that keeps a server connection until it disconnects.
type PoolerSession struct {
	User            string `json:"user"`
	Database        string `json:"database"`
	Application     string `json:"application,omitempty"`
	Address         string `json:"address,omitempty"`
	AgeMilliseconds int64  `json:"ageMilliseconds"`
}

// Age of the connection.
func (s PoolerSession) Age() time.Duration {
	return milliseconds(s.AgeMilliseconds)
}

func (s PoolerSession) String() string {
	return fmt.Sprintf("user %s, database %s, application %q, from %s, connected for %s", s.User, s.Database, s.Application, s.Address, s.Age().Round(time.Second))
}

// HoldPhase is how far a switch has come at one pooler.
type HoldPhase string

// Phases, in order. Forward and Back are final; Released means that clients continue because
// the limit was over and the decision could not be read.
const (
	PhaseNone     HoldPhase = ""
	PhaseStaged   HoldPhase = "Staged"
	PhaseHolding  HoldPhase = "Holding"
	PhaseHeld     HoldPhase = "Held"
	PhaseFlipped  HoldPhase = "Flipped"
	PhaseForward  HoldPhase = "Forward"
	PhaseBack     HoldPhase = "Back"
	PhaseReleased HoldPhase = "Released"
)

// Paused says that clients should be held in this phase.
func (p HoldPhase) Paused() bool {
	return p == PhaseHolding || p == PhaseHeld || p == PhaseFlipped
}

// Settled says that the switch is over here.
func (p HoldPhase) Settled() bool { return p == PhaseForward || p == PhaseBack }

// Refusal is an agent's answer to a request that it refuses.
type Refusal struct {
	Error string `json:"error"`
	Code  string `json:"code"`
}

// Codes of refusals.
const (
	CodeStale   = "StaleSwitch"
	CodePooler  = "PoolerRefused"
	CodeReload  = "ReloadFailed"
	CodeOther   = "Failed"
	CodeInvalid = "InvalidRequest"
)
