package steps

import (
	"context"
	"fmt"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Workflows by name, as status.workflow has them.
const (
	Upgrade       = "Upgrade"
	Abort         = "Abort"
	Rollback      = "Rollback"
	RevertCutover = "RevertCutover"
	RolledBack    = "RolledBack"
)

// Steps by name, as status.step, conditions and commit trailers have them.
const (
	Preflight         = "Preflight"
	CommitGreen       = "CommitGreen"
	AwaitGreen        = "AwaitGreen"
	PreflightGreen    = "PreflightGreen"
	CopyRoles         = "CopyRoles"
	CopySchema        = "CopySchema"
	Publish           = "Publish"
	CopyData          = "CopyData"
	BuildIndexes      = "BuildIndexes"
	Analyze           = "Analyze"
	CatchUp           = "CatchUp"
	Verify            = "Verify"
	Approve           = "Approve"
	CommitCutover     = "CommitCutover"
	AwaitSwitch       = "AwaitSwitch"
	Soak              = "Soak"
	StopReverse       = "StopReverse"
	CommitFinalize    = "CommitFinalize"
	AwaitPruned       = "AwaitPruned"
	StopReplication   = "StopReplication"
	CommitRemoveGreen = "CommitRemoveGreen"
	AwaitGreenGone    = "AwaitGreenGone"
	CommitRollback    = "CommitRollback"
	AwaitRollback     = "AwaitRollback"
	AwaitDecision     = "AwaitDecision"
)

// Step is one row of a workflow.
type Step struct {
	Name string
	// Done reads the world and judges; it has no effect.
	Done func(ctx context.Context, run *Run) (Verdict, error)
	// Run makes the effect; a second run finds the first one's work. Nil where there is
	// nothing to do but wait.
	Run func(ctx context.Context, run *Run) error
	// StallAfter is how long the step may wait before it is reported as stalled (it goes on
	// waiting all the same). Zero: for ever, as a soak or an approval does.
	StallAfter time.Duration
}

// Verdict on a step.
type Verdict struct {
	// Done: the next step may begin.
	Done bool
	// RunNeeded: not done, and Run would help.
	RunNeeded bool
	// Slow: the effect may take hours. It goes on beside the looks, which must say the same of it until it is over: it is
	// ended when they don't. It tells by Run.Note what the status should have.
	Slow bool
	// Effect to act by, in place of the step's Run: a step that only waits has one for what rarely happens.
	Effect func(context.Context, *Run) error
	// Reason and Message say what is waited for, in words of the API. Before an effect a reason is
	// that of an event, for what people should hear of though nothing is waited for.
	Reason, Message string
	// RequeueAfter is when to look next; zero means the default of a step in progress.
	RequeueAfter time.Duration
	// Reverted is the commit by which somebody took our commit back.
	Reverted *v1alpha1.Commit
	// ReturnTo is the earlier step of the same workflow to return to: Git took back what led
	// here, and this step has had no effect yet; or what that step made was lost.
	ReturnTo string
}

func done(message string, args ...any) Verdict {
	return Verdict{Done: true, Message: fmt.Sprintf(message, args...)}
}

func act(message string, args ...any) Verdict {
	return Verdict{RunNeeded: true, Message: fmt.Sprintf(message, args...)}
}

// slowly is act for an effect that may take hours.
func slowly(message string, args ...any) Verdict {
	return Verdict{RunNeeded: true, Slow: true, Message: fmt.Sprintf(message, args...), RequeueAfter: slowAgain}
}

// slowAgain is how often an upgrade is looked at while a slow effect goes on.
const slowAgain = 5 * time.Second

func waiting(reason, message string, args ...any) Verdict {
	return Verdict{Reason: reason, Message: fmt.Sprintf(message, args...)}
}

// removal is how an instance that never served, or has been rolled back from, goes.
var removal = []Step{
	// drop what replicates, on both sides; a lost green doesn't stop us
	guardRemoval(Step{StopReplication, stopReplicationDone, stopReplicationRun, 10 * time.Minute}),
	// take green's manifests out of Git
	guardRemoval(Step{CommitRemoveGreen, commitDone(CommitRemoveGreen), commitRun(CommitRemoveGreen), 10 * time.Minute}),
	// Flux prunes green; its volumes go too
	guardRemoval(Step{AwaitGreenGone, awaitGreenGoneDone, deleteGreenVolumes, 15 * time.Minute}),
}

// Workflows are the tables, to be read from top to bottom.
var Workflows = map[string][]Step{
	Upgrade: {
		// read-only: can this upgrade work at all?
		{Preflight, preflightDone, nil, 0},
		// commit instances/<v> and its entry
		{CommitGreen, commitDone(CommitGreen), commitRun(CommitGreen), 10 * time.Minute},
		// Flux applies it, the workload is ready, SQL says the right version, the fence is up
		{AwaitGreen, awaitGreenDone, awaitGreenRun, 15 * time.Minute},
		// what only green itself can tell: extensions, locales, settings
		{PreflightGreen, preflightGreenDone, nil, 0},
		// roles, memberships, settings
		{CopyRoles, copyRolesDone, copyRolesRun, 10 * time.Minute},
		// databases, then pre-data and replica identities by green's own pg_dump
		{CopySchema, copySchemaDone, copySchemaRun, 30 * time.Minute},
		// marker tables, publication and slot, per database
		{Publish, publishDone, publishRun, 10 * time.Minute},
		// PostgreSQL's own initial copy, with progress
		connected(Step{CopyData, copyDataDone, copyDataRun, 0}),
		// everything after the data: indexes, constraints, triggers
		connected(Step{BuildIndexes, buildIndexesDone, buildIndexesRun, 0}),
		// statistics, so that the first query after the cutover is planned well
		connected(Step{Analyze, analyzeDone, analyzeRun, 0}),
		// every table followed, lag under the limit for the stated time
		connected(Step{CatchUp, catchUpDone, followRun, 0}),
		// schema and rows are equal
		connected(Step{Verify, verifyDone, verifyRun, 0}),
		// the gate: automatic or by a commit, and inside the window
		connected(Step{Approve, approveDone, followRun, 0}),
		// commit proxy.yaml with the evidence
		{CommitCutover, commitDone(CommitCutover), commitRun(CommitCutover), 10 * time.Minute},
		// Flux delivers it and the PgProxy controller switches
		{AwaitSwitch, awaitSwitchDone, nil, 15 * time.Minute},
		// the rollback path is open
		{Soak, soakDone, nil, 0},
		// the point of no return: reverse replication ends
		guardRemoval(Step{StopReverse, stopReplicationDone, stopReplicationRun, 10 * time.Minute}),
		// take blue's manifests out of Git
		guardRemoval(Step{CommitFinalize, commitDone(CommitFinalize), commitRun(CommitFinalize), 10 * time.Minute}),
		// Flux prunes blue
		guardRemoval(Step{AwaitPruned, awaitBlueGoneDone, deleteBlueVolumes, 15 * time.Minute}),
	},
	// the version was taken back, or changed again, before the cutover
	Abort: removal,
	// the version was taken back after the cutover: traffic first, then as an abort
	Rollback: append([]Step{
		{CommitRollback, commitDone(CommitRollback), commitRun(CommitRollback), 10 * time.Minute},
		{AwaitRollback, awaitRollbackDone, nil, 15 * time.Minute},
	}, removal...),
	// the switch could not be made: take our cutover commit back so that Git never lies
	RevertCutover: {
		{CommitRollback, commitDone(CommitRollback), commitRun(CommitRollback), 10 * time.Minute},
		{AwaitRollback, awaitRollbackDone, nil, 15 * time.Minute},
	},
	// a revert of the cutover was obeyed; the next word is a human's
	RolledBack: {
		{AwaitDecision, awaitDecisionDone, nil, 0},
	},
}

// Find the row of a step, and its place. Nil when the workflow has no such step.
func Find(workflow, step string) (*Step, int) {
	for i := range Workflows[workflow] {
		if Workflows[workflow][i].Name == step {
			return &Workflows[workflow][i], i
		}
	}
	return nil, -1
}

// before says whether step a comes before step b in the upgrade.
func before(a, b string) bool {
	_, i := Find(Upgrade, a)
	_, j := Find(Upgrade, b)
	return i < j
}
