package plan

import (
	"fmt"
	"time"
)

// Move is what a team does with its database, by a commit.
type Move string

// Moves.
const (
	// Upgrade to another version, up or down, as far as the soak.
	Upgrade Move = "upgrade"
	// Abort: an upgrade is begun and taken back before the cutover.
	Abort Move = "abort"
	// Revert the cutover.
	Revert Move = "revert"
	// Rerevert: revert the revert.
	Rerevert Move = "re-revert"
	// Retry asks Gitover itself for another cutover.
	Retry Move = "retry"
	// TakeBack the version while the new instance serves: back to the old one, for good.
	TakeBack Move = "take back"
	// Forget the upgrade after a rollback: the new instance goes.
	Forget Move = "forget"
	// Finalize: the old instance goes.
	Finalize Move = "finalize"
)

// Moves that there are.
var Moves = []Move{Upgrade, Abort, Revert, Rerevert, Retry, TakeBack, Forget, Finalize}

// Switches says whether the move makes traffic move.
func (m Move) Switches() bool {
	return m == Upgrade || m == Revert || m == Rerevert || m == Retry || m == TakeBack
}

// moves that each state allows. Most are reverts and re-reverts: these are the switches.
var moves = []struct {
	in     State
	move   Move
	weight int
}{
	{Settled, Upgrade, 85},
	{Settled, Abort, 15},
	{Soaking, Revert, 88},
	{Soaking, Finalize, 8},
	{Soaking, TakeBack, 4},
	{RolledBack, Rerevert, 90},
	{RolledBack, Retry, 6},
	{RolledBack, Forget, 4},
}

// AbortSteps are the steps at which an upgrade is taken back.
var AbortSteps = []string{"CommitGreen", "AwaitGreen", "CopyRoles", "CopySchema", "Publish", "CopyData", "BuildIndexes", "Analyze", "CatchUp"}

// Moment at which a fault is injected.
type Moment string

// Moments: after the push of the move's commit, or when PgProxy's status first shows a
// switch in this phase.
const (
	Pushed    Moment = "push"
	Preparing Moment = "Preparing"
	Holding   Moment = "Holding"
	Finishing Moment = "Finishing"
)

// Injection is a fault at a time.
type Injection struct {
	Fault Fault
	At    Moment
	// Delay after the moment.
	Delay time.Duration
	// Lasts until it is healed; zero for what is over at once.
	Lasts time.Duration
}

func (s Injection) String() string {
	text := fmt.Sprintf("%s, %v after %s", s.Fault, s.Delay, s.At)
	if s.Lasts > 0 {
		text += fmt.Sprintf(", for %v", s.Lasts)
	}
	return text
}

// Fault that is injected.
type Fault string

// Faults. Active is the instance that serves before the move, standby the other one.
const (
	KillController           Fault = "kill the controller"
	PauseController          Fault = "pause the controller"
	CutControllerFromAPI     Fault = "cut the controller from the API server"
	CutControllerFromActive  Fault = "cut the controller from the active instance"
	CutControllerFromStandby Fault = "cut the controller from the standby"
	CutControllerFromPooler  Fault = "cut the controller from a pooler"
	KillPooler               Fault = "kill a pooler"
	DeletePooler             Fault = "delete a pooler's pod"
	PausePooler              Fault = "pause a pooler"
	KillAgent                Fault = "kill an agent"
	PauseAgent               Fault = "pause an agent"
	CutPooler                Fault = "cut a pooler off"
	KillActive               Fault = "kill the active server"
	DeleteActive             Fault = "delete the active server's pod"
	PauseActive              Fault = "pause the active server"
	CutActive                Fault = "cut the active server off"
	SlowActive               Fault = "slow the active server"
	KillStandby              Fault = "kill the standby server"
	DeleteStandby            Fault = "delete the standby server's pod"
	PauseStandby             Fault = "pause the standby server"
	CutStandby               Fault = "cut the standby server off"
	CutPair                  Fault = "cut the servers from each other"
	GitAnswers500            Fault = "Git answers 500"
	GitIsSlow                Fault = "Git is slow"
	GitDropsAnswers          Fault = "Git takes pushes and drops the answer"
	GitIsDown                Fault = "Git is down"
	PushRace                 Fault = "somebody else pushes all the time"
	SlowFlux                 Fault = "slow Flux"
	StopFlux                 Fault = "stop Flux"
	KillAPIServer            Fault = "kill the API server"
	PauseAPIServer           Fault = "pause the API server"
)

// row of the table of faults.
type row struct {
	fault  Fault
	weight int
	// shortest and longest time that it lasts; none for what is over at once.
	shortest, longest time.Duration
	// onStandby: needs a second instance.
	onStandby bool
}

const second = time.Second

// faults, each as often as its weight. What holds every other fleet up for long is rare.
var faults = []row{
	{fault: KillController, weight: 6},
	{fault: PauseController, weight: 2, shortest: second, longest: 6 * second},
	{fault: CutControllerFromAPI, weight: 2, shortest: second, longest: 6 * second},
	{fault: CutControllerFromActive, weight: 2, shortest: second, longest: 6 * second},
	{fault: CutControllerFromStandby, weight: 2, shortest: second, longest: 6 * second, onStandby: true},
	{fault: CutControllerFromPooler, weight: 2, shortest: second, longest: 6 * second},
	{fault: KillPooler, weight: 4},
	{fault: DeletePooler, weight: 3},
	{fault: PausePooler, weight: 3, shortest: second / 2, longest: 3 * second},
	{fault: KillAgent, weight: 4},
	{fault: PauseAgent, weight: 3, shortest: second / 2, longest: 3 * second},
	{fault: CutPooler, weight: 2, shortest: second, longest: 5 * second},
	{fault: KillActive, weight: 4},
	{fault: DeleteActive, weight: 2},
	{fault: PauseActive, weight: 3, shortest: second / 2, longest: 3 * second},
	{fault: CutActive, weight: 2, shortest: second, longest: 5 * second},
	{fault: SlowActive, weight: 2, shortest: 2 * second, longest: 6 * second},
	{fault: KillStandby, weight: 4, onStandby: true},
	{fault: DeleteStandby, weight: 2, onStandby: true},
	{fault: PauseStandby, weight: 3, shortest: second / 2, longest: 3 * second, onStandby: true},
	{fault: CutStandby, weight: 2, shortest: second, longest: 5 * second, onStandby: true},
	{fault: CutPair, weight: 3, shortest: second, longest: 8 * second, onStandby: true},
	{fault: GitAnswers500, weight: 2, shortest: second, longest: 5 * second},
	{fault: GitIsSlow, weight: 2, shortest: 2 * second, longest: 6 * second},
	{fault: GitDropsAnswers, weight: 2, shortest: second, longest: 5 * second},
	{fault: GitIsDown, weight: 1, shortest: second, longest: 3 * second},
	{fault: PushRace, weight: 3, shortest: 2 * second, longest: 6 * second},
	{fault: SlowFlux, weight: 2, shortest: 2 * second, longest: 6 * second},
	{fault: StopFlux, weight: 1, shortest: second, longest: 2 * second},
	{fault: KillAPIServer, weight: 1},
	{fault: PauseAPIServer, weight: 1, shortest: second, longest: 4 * second},
}

// Faults that there are.
func Faults() []Fault {
	var all []Fault
	for _, f := range faults {
		all = append(all, f.fault)
	}
	return all
}

func rowOf(fault Fault) row {
	for _, f := range faults {
		if f.fault == fault {
			return f
		}
	}
	panic("no such fault: " + string(fault))
}
