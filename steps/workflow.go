// Package steps is the workflow of an upgrade: tables of steps, the pure function that
// says what comes next, and one file per step.
//
// Authority: status.workflow and status.step say which step is in progress; a step's Done
// judges from Kubernetes, SQL and Git whether it is done, never from memory. After a crash the
// next look resumes: it calls Done again, and Run finds its own work.
//
// States: Upgrade runs from Preflight to AwaitPruned; Abort removes green before the cutover;
// Rollback returns traffic first and then aborts; RevertCutover reverts Gitover's own cutover
// commit when the switch can't be made; RolledBack waits for a human. Next holds the
// transitions.
//
// A step that removes an instance (removal_guard.go) checks first, past every cache, that the
// other instance serves and no switch leads away from it. The step is stored by then, so that
// the PgProxy controller sees it before it begins a switch.
//
// On failure: an error of a known kind becomes a condition with a documented reason (package
// controllers maps it); the same step is tried again later. Nothing here moves traffic: only
// the PgProxy controller does, because Git said so.
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
	Seed              = "Seed"
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
	// Run makes the effect; a second run finds the first one's work. Nil if the step only
	// waits.
	Run func(ctx context.Context, run *Run) error
	// StallAfter is how long the step may wait before it is reported as stalled (it still
	// waits then). Zero: for ever, as a soak or an approval does.
	StallAfter time.Duration
}

// Verdict on a step.
type Verdict struct {
	// Done: the next step may begin.
	Done bool
	// RunNeeded: not done, and Run would help.
	RunNeeded bool
	// Slow: the effect may take hours. It runs beside the looks and is canceled when a look doesn't ask for the same
	// effect any more. It changes the status by Run.Note.
	Slow bool
	// Effect replaces the step's Run: a step that only waits has one for rare cases.
	Effect func(context.Context, *Run) error
	// EffectName is what the effect's crash point ends with; "Effect" if it is empty.
	EffectName string
	// Reason and Message say what the step waits for, in words of the API. With an effect, the
	// reason is that of an event, for news that people should see although the step doesn't wait.
	Reason, Message string
	// RequeueAfter is when to look next; zero means the default of a step in progress.
	RequeueAfter time.Duration
	// Reverted is the commit that reverted our commit.
	Reverted *v1alpha1.Commit
	// ReturnTo is the earlier step of the same workflow to return to: the commit that led here
	// was reverted, and this step has had no effect yet; or the result of that step was lost.
	ReturnTo string
	// Leave is the workflow by which Gitover ends the upgrade by itself; Message says why. Rehearsal is its report if it was one.
	Leave     string
	Rehearsal *v1alpha1.RehearsalStatus
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

// moment after which a step is looked at again, once what it noted is stored.
const moment = 10 * time.Millisecond

// slowAgain is how often an upgrade is looked at while a slow effect runs.
const slowAgain = 5 * time.Second

func waiting(reason, message string, args ...any) Verdict {
	return Verdict{Reason: reason, Message: fmt.Sprintf(message, args...)}
}

// removal removes an instance that never served, or whose cutover was rolled back.
var removal = []Step{
	// drop what replicates, on both sides; a lost green doesn't stop us
	guardRemoval(Step{StopReplication, stopReplicationDone, stopReplicationRun, 10 * time.Minute}),
	// take green's manifests out of Git
	guardRemoval(Step{CommitRemoveGreen, commitDone(CommitRemoveGreen), commitRun(CommitRemoveGreen), 10 * time.Minute}),
	// Flux prunes green; its volumes are removed, too
	guardRemoval(Step{AwaitGreenGone, awaitGreenGoneDone, deleteGreenVolumes, 15 * time.Minute}),
}

// Workflows are the tables, to be read from top to bottom.
var Workflows = map[string][]Step{
	Upgrade: {
		// read-only: can this upgrade work at all? Then the hooks before the copy
		hooked(v1alpha1.BeforeCopy, Step{Preflight, preflightDone, nil, 0}),
		// slots on blue, then a physical copy of it in green's future volume; nothing for a logical copy
		{Seed, seedDone, nil, 0},
		// commit instances/<v> and its entry
		{CommitGreen, commitDone(CommitGreen), commitRun(CommitGreen), 10 * time.Minute},
		// Flux applies it, the workload is ready, the server has the right version, it is fenced
		{AwaitGreen, awaitGreenDone, awaitGreenRun, 15 * time.Minute},
		// what has to be checked on green itself: extensions, locales, settings
		{PreflightGreen, preflightGreenDone, nil, 0},
		// roles, memberships, settings
		{CopyRoles, copyRolesDone, copyRolesRun, 10 * time.Minute},
		// databases, then pre-data and replica identities by green's own pg_dump
		{CopySchema, copySchemaDone, copySchemaRun, 30 * time.Minute},
		// marker tables, publication and slot, per database
		{Publish, publishDone, publishRun, 10 * time.Minute},
		// PostgreSQL's own initial copy, with progress
		connected(survivesFailover(Step{CopyData, copyDataDone, copyDataRun, 0})),
		// everything after the data: indexes, constraints, triggers
		connected(Step{BuildIndexes, buildIndexesDone, buildIndexesRun, 0}),
		// statistics, so that the first query after the cutover is planned well
		connected(survivesFailover(Step{Analyze, analyzeDone, analyzeRun, 0})),
		// every table followed, lag under the limit for the stated time
		connected(survivesFailover(Step{CatchUp, catchUpDone, followRun, 0})),
		// schema and rows are equal
		connected(survivesFailover(Step{Verify, verifyDone, verifyRun, 0})),
		// the gate: automatic or by a commit, inside the window and no freeze; then the hooks before the cutover. A rehearsal ends here
		connected(survivesFailover(rehearsed(hooked(v1alpha1.BeforeCutover, Step{Approve, approveDone, followRun, 0})))),
		// commit proxy.yaml with the evidence
		{CommitCutover, commitDone(CommitCutover), commitRun(CommitCutover), 10 * time.Minute},
		// Flux applies it and the PgProxy controller switches
		{AwaitSwitch, awaitSwitchDone, nil, 15 * time.Minute},
		// the rollback path is open; the hooks after the cutover, and in the end those before finalizing
		hookedSoak(Step{Soak, soakDone, nil, 0}),
		// the point of no return: reverse replication ends
		guardRemoval(Step{StopReverse, stopReplicationDone, stopReplicationRun, 10 * time.Minute}),
		// take blue's manifests out of Git
		guardRemoval(Step{CommitFinalize, commitDone(CommitFinalize), commitRun(CommitFinalize), 10 * time.Minute}),
		// Flux prunes blue
		guardRemoval(Step{AwaitPruned, awaitBlueGoneDone, deleteBlueVolumes, 15 * time.Minute}),
	},
	// the version was reverted, or changed again, before the cutover
	Abort: removal,
	// the version was reverted after the cutover: traffic first, then as an abort
	Rollback: append([]Step{
		{CommitRollback, commitDone(CommitRollback), commitRun(CommitRollback), 10 * time.Minute},
		{AwaitRollback, awaitRollbackDone, nil, 15 * time.Minute},
	}, removal...),
	// the switch could not be made: revert our cutover commit, so that Git shows what serves
	RevertCutover: {
		{CommitRollback, commitDone(CommitRollback), commitRun(CommitRollback), 10 * time.Minute},
		{AwaitRollback, awaitRollbackDone, nil, 15 * time.Minute},
	},
	// a revert of the cutover was obeyed; Gitover waits for a human's decision
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
