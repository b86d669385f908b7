package switchover

import (
	"cmp"
	"time"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/postgres/preflight"
)

// LongTransactionPolicy says what happens to transactions that delay a switch.
type LongTransactionPolicy string

// Policies.
const (
	// Wait reports them as obstacles.
	Wait LongTransactionPolicy = "Wait"
	// Terminate ends their sessions.
	Terminate LongTransactionPolicy = "Terminate"
)

// Sessions says what becomes of clients that keep a server connection for as long as they are connected.
type Sessions string

// Kinds of sessions.
const (
	// Held: there are none, or a switch waits until they have left. The poolers hold clients between two transactions.
	Held Sessions = ""
	// Ended: the fence ends each when its transaction is over, and all of them after Limits.Drain.
	Ended Sessions = "Ended"
	// Frozen: as Ended, but a hold lets no client say anything: only a statement can end, and not a transaction.
	Frozen Sessions = "Frozen"
)

// Limits of a switch. Zero values stand for the defaults.
type Limits struct {
	// Hold is the longest time that traffic is held, whatever fails. Default: that of protocol.HoldLimits.
	Hold time.Duration
	// Margin is how long before Hold's end agents ask the register. Default: that of protocol.HoldLimits.
	Margin time.Duration
	// Drain is how long a hold waits for transactions in flight, or, if sessions are ended, the fence does. Default a quarter of Hold; three fifths of StallBudget
	// while patience lasts, if that is less.
	Drain time.Duration
	// LagBytes of WAL that the new side may be behind at the guard. Default 16 MiB.
	LagBytes int64
	// Refresh is how long the new side's materialized views may take to refresh, before anything is held. Default 5 min.
	Refresh time.Duration
	// LongTransaction is the age from which a transaction is an obstacle. Default 5 s.
	LongTransaction time.Duration
	// LongTransactions says what to do about them. Default Wait.
	LongTransactions LongTransactionPolicy
	// Patience is for how long, from now on, a switch waits for a moment in which its hold will be short. 0: it doesn't.
	Patience time.Duration
	// StallBudget is how long clients wait at most for an attempt that is given up while patience lasts: for one whose
	// transactions don't end, or whose rows don't arrive. Default 500 ms.
	StallBudget time.Duration
}

// OfHold are the limits that agents enforce.
func (l Limits) OfHold() protocol.HoldLimits {
	return protocol.HoldLimits{Hold: l.Hold, Margin: l.Margin}
}

func (l Limits) withDefaults() Limits {
	hold := l.OfHold().WithDefaults()
	l.Hold, l.Margin = hold.Hold, hold.Margin
	l.StallBudget = cmp.Or(l.StallBudget, 500*time.Millisecond)
	l.Drain = cmp.Or(l.Drain, l.Hold/4)
	if l.patient() {
		l.Drain = min(l.Drain, l.StallBudget*3/5)
	}
	l.LagBytes = cmp.Or(l.LagBytes, 16<<20)
	l.Refresh = cmp.Or(l.Refresh, 5*time.Minute)
	l.LongTransaction = cmp.Or(l.LongTransaction, 5*time.Second)
	l.LongTransactions = cmp.Or(l.LongTransactions, Wait)
	return l
}

// patient: the switch waits for a better moment rather than stall clients for long.
func (l Limits) patient() bool { return l.Patience > 0 }

// oldest is the age from which a transaction keeps a switch from being prepared. While patience lasts, one that is open
// for longer than a second is likely to stay.
func (l Limits) oldest() time.Duration {
	if l.patient() {
		return min(l.LongTransaction, max(l.StallBudget, time.Second))
	}
	return l.LongTransaction
}

// youngest is the age from which a transaction keeps a hold from beginning while patience lasts.
func (l Limits) youngest() time.Duration { return l.StallBudget / 5 }

// heldForAtMost is how long the controller tries before it undoes the switch: it gives up well
// before the agents act by themselves.
func (l Limits) heldForAtMost() time.Duration { return l.Hold - l.Margin - l.Hold/20 }

// Input says what a switch is between.
type Input struct {
	// ID of the switch, new for each attempt; the key of its row in the register.
	ID string
	// From serves now, To is to serve.
	From, To postgres.Server
	// Databases that applications use.
	Databases []string
	// Scope is what the spec says about databases; the guard names what would be left behind.
	Scope preflight.Scope
	// Names of the upgrade's objects.
	Names postgres.Names
	// Known are the servers of an instance that are known to hold the same rows on both sides; an instance that
	// isn't listed is not judged.
	Known map[string][]postgres.Identity
	// Poolers that hold and lead the traffic: all of them.
	Poolers []Pooler
	// Alone: no agent decides the switch if this controller dies or falls silent; the old side's server does.
	Alone bool
	// Sessions says what the poolers' hold does to clients that keep a server connection.
	Sessions Sessions
	Limits   Limits
	// Who is recorded in the register as the one that decides: the controller's pod.
	Who string
	// Report, if set, is called with each phase before it begins; an error ends the switch
	// before traffic is held. It is called outside the stall only.
	Report func(phase protocol.Phase) error
	// Trace, if set, is called with each of Preparations and Points just before it begins. It
	// must return at once: from PointHold on traffic is held.
	Trace func(point Point)
	// Traced, if set, is called with each part just after it succeeded, and must return at once, too.
	Traced func(point Point)
}

// Point is a part of a switch.
type Point string

// Points, in order; PointMove stands for drain, sequences and flip, which run in parallel.
const (
	PointHold   Point = "Hold"
	PointFence  Point = "Fence"
	PointClear  Point = "Clear"
	PointMove   Point = "Move"
	PointReady  Point = "Ready"
	PointDecide Point = "Decide"
	PointOpen   Point = "Open"
	PointResume Point = "Resume"
	PointFinish Point = "Finish"
)

// Preparations, before traffic is held.
const (
	PointRollbackPath Point = "RollbackPath"
	PointBegin        Point = "Begin"
	PointStage        Point = "Stage"
)

// Preparations in order; tests of crashes use this list, too.
var Preparations = []Point{PointRollbackPath, PointBegin, PointStage}

// Points of a switch, in order; tests of crashes use this list.
var Points = []Point{PointHold, PointFence, PointClear, PointMove, PointReady, PointDecide, PointOpen, PointResume, PointFinish}

func (in Input) trace(point Point) {
	if in.Trace != nil {
		in.Trace(point)
	}
}

// traced calls Traced if a part succeeded.
func (in Input) traced(point Point, err error) error {
	if err == nil && in.Traced != nil {
		in.Traced(point)
	}
	return err
}

func (in Input) report(phase protocol.Phase) error {
	if in.Report == nil {
		return nil
	}
	return in.Report(phase)
}

func (in Input) row() fence.SwitchRow {
	return fence.SwitchRow{ID: in.ID, From: in.From.Instance, To: in.To.Instance, Databases: in.Databases}
}

func (in Input) who() string {
	if in.Who == "" {
		return "controller"
	}
	return in.Who
}

// Result is what a switch did, measured.
type Result struct {
	ID     string
	HeldAt time.Time
	// Held from the first hold to the last resume.
	Held  time.Duration
	Parts Parts
	// Position is the new side's WAL position at the commit point.
	Position string
	// Markers committed on the old side behind the fence, per database.
	Markers map[string]int64
	// SequencesMoved while traffic was held.
	SequencesMoved int
	// Terminated is how many sessions did not end by themselves.
	Terminated []postgres.Session
}

// Parts are the durations of a switch's parts. Hold and Fence overlap, and Drain,
// Sequences and Flip do.
type Parts struct {
	Prepare, Hold, Fence, Drain, Sequences, Copy, Flip, Decide, Open, Resume, Finish time.Duration
}

// Map gives the parts by name, in microseconds.
func (p Parts) Map() map[string]int64 {
	return map[string]int64{
		"prepare": p.Prepare.Microseconds(), "hold": p.Hold.Microseconds(), "fence": p.Fence.Microseconds(),
		"drain": p.Drain.Microseconds(), "sequences": p.Sequences.Microseconds(), "copy": p.Copy.Microseconds(), "flip": p.Flip.Microseconds(),
		"decide": p.Decide.Microseconds(), "open": p.Open.Microseconds(), "resume": p.Resume.Microseconds(),
		"finish": p.Finish.Microseconds(),
	}
}
