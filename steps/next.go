package steps

import (
	"fmt"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/postgres"
)

// Facts are what Next needs to know in addition to the status.
type Facts struct {
	// Upgrade's own name, from which instances take theirs.
	Name string
	// Adopted is the adopted first instance, if there is one.
	Adopted *v1alpha1.AdoptSpec
	// Wanted is the major version that Git asks for; empty while unknown.
	Wanted string
	// Retry is spec.retry.
	Retry string
	// Rehearse: spec.mode asks for a rehearsal.
	Rehearse bool
	// Active is the instance that serves; empty while unknown.
	Active string
	// Target is the instance that Git wants to serve, as Flux applied it.
	Target string
	// GaveUp: the PgProxy controller's attempts to reach Target are used up.
	GaveUp bool
	// AnalysisFailed: a check of the soak failed for good, and the spec wants the cutover reverted for that.
	AnalysisFailed bool
	// RollbackReady: a revert of the cutover loses nothing.
	RollbackReady bool
}

// Decision is the answer of Next.
type Decision struct {
	// Idle: there's nothing to do; Reason and Message say why.
	Idle bool
	// Workflow and Step that come next.
	Workflow, Step string
	// Begin: a new run, from From to To.
	Begin    bool
	From, To string
	// Outcome closes the run with this entry in the history.
	Outcome string
	// NewAttempt: a retry of the same run.
	NewAttempt bool
	// Reason and Message for people.
	Reason, Message string
}

// InstanceName is how Gitover calls the instance of a version.
func InstanceName(upgrade, version string) string { return upgrade + "-" + version }

// VersionOf an instance by its name; empty when the name is no instance of this upgrade.
func VersionOf(upgrade string, adopted *v1alpha1.AdoptSpec, instance string) string {
	if adopted != nil && adopted.Name == instance {
		return adopted.Version
	}
	prefix := upgrade + "-"
	if len(instance) != len(prefix)+2 || instance[:len(prefix)] != prefix {
		return ""
	}
	version := instance[len(prefix):]
	if !Supported(version) {
		return ""
	}
	return version
}

// Supported says whether version is a PostgreSQL major that Gitover upgrades from and to.
func Supported(version string) bool {
	_, ok := postgres.ParseVersion(version)
	return ok
}

// Next holds all transitions between workflows. It is pure, so that it can be read and tested.
// It never makes a transition on an unknown fact. Advance moves within a workflow.
func Next(status v1alpha1.PgUpgradeStatus, facts Facts) Decision {
	if facts.Wanted == "" || facts.Active == "" {
		return stay(status, "", "")
	}
	from, to := facts.version(status.From), facts.version(status.To)
	switch status.Workflow {
	case "":
		return idleOrBegin(status, facts)
	case Upgrade:
		return duringUpgrade(status, facts, from, to)
	case RevertCutover:
		if RevertDecided(status) {
			return whileReverting(status, facts)
		}
		if facts.Active == status.To && facts.Target == status.To {
			return Decision{Workflow: Upgrade, Step: Soak, Reason: v1alpha1.ReasonSoakInProgress, Message: status.To + " serves after all"}
		}
	case Abort, Rollback:
		return whileRemoving(status, facts, to)
	case RolledBack:
		return afterRollback(status, facts, from, to)
	}
	return stay(status, "", "")
}

// wasRehearsal: the run in progress, or the last one, was a rehearsal that came to the gate.
func wasRehearsal(status v1alpha1.PgUpgradeStatus) bool {
	return status.Rehearsal != nil && status.Rehearsal.Run == status.Run
}

func (f Facts) version(instance string) string { return VersionOf(f.Name, f.Adopted, instance) }

// idleOrBegin: no workflow runs. A version that differs from the active one's begins an
// upgrade, unless that same request was already tried and reverted.
func idleOrBegin(status v1alpha1.PgUpgradeStatus, facts Facts) Decision {
	active := facts.version(facts.Active)
	if facts.Wanted == active {
		return Decision{Idle: true, Reason: v1alpha1.ReasonUpToDate,
			Message: fmt.Sprintf("%s serves PostgreSQL %s, as Git asks", facts.Active, active)}
	}
	handled := status.HandledVersion == facts.Wanted && status.HandledRetry == facts.Retry && (status.HandledMode == v1alpha1.ModeRehearse) == facts.Rehearse
	if handled && wasRehearsal(status) {
		return Decision{Idle: true, Reason: v1alpha1.ReasonRehearsed,
			Message: fmt.Sprintf("the rehearsal of %s passed, see status.rehearsal; set spec.mode: Upgrade to start it, or change spec.retry to rehearse again", facts.Wanted)}
	}
	if handled && status.EndedBy != "" {
		return Decision{Idle: true, Reason: v1alpha1.ReasonAborted,
			Message: fmt.Sprintf("the upgrade to %s was ended: %s; change spec.retry, or the version, to start over", facts.Wanted, status.EndedBy)}
	}
	if handled {
		return Decision{Idle: true, Reason: v1alpha1.ReasonRolledBack,
			Message: fmt.Sprintf("the upgrade to %s was reverted; change the version again, or spec.retry, to start over", facts.Wanted)}
	}
	return Decision{Begin: true, Workflow: Upgrade, Step: Preflight, From: facts.Active, To: InstanceName(facts.Name, facts.Wanted),
		Reason: v1alpha1.ReasonProgressing, Message: fmt.Sprintf("Git asks for PostgreSQL %s; %s serves %s", facts.Wanted, facts.Active, active)}
}

// duringUpgrade: the transitions that Git causes while an upgrade runs.
func duringUpgrade(status v1alpha1.PgUpgradeStatus, facts Facts, from, to string) Decision {
	switch {
	case before(status.Step, CommitCutover):
		return beforeCutover(status, facts, from, to)
	case status.Step == CommitCutover || status.Step == AwaitSwitch:
		if facts.Wanted == from {
			return rollback(status, facts)
		}
		if facts.GaveUp && facts.Target == status.To && facts.Active == status.From {
			return Decision{Workflow: RevertCutover, Step: CommitRollback, Reason: v1alpha1.ReasonSwitchFailed,
				Message: "the switch could not be made; reverting the cutover commit"}
		}
		return stay(status, "", "")
	case status.Step == Soak || status.Step == StopReverse && facts.rolledBack(status):
		// a rollback that was claimed before the soak's end was stored takes precedence
		return duringSoak(status, facts, from, to)
	}
	// past the soak there is no rollback path
	return stay(status, "", "")
}

// beforeCutover: Gitover has not committed a cutover yet; a human may have.
func beforeCutover(status v1alpha1.PgUpgradeStatus, facts Facts, from, to string) Decision {
	early := facts.Target == status.To
	switch {
	case facts.Active == status.To:
		// a human's cutover is an instruction; the soak handles other changes in Git
		return servesAfterAll(status, "as the PgProxy's target in Git asks")
	case early && facts.Wanted == from:
		return rollback(status, facts)
	case early && facts.Wanted != to:
		return disagree(status, facts)
	case facts.Wanted != to:
		return Decision{Workflow: Abort, Step: StopReplication, Reason: v1alpha1.ReasonAborting,
			Message: fmt.Sprintf("Git asks for %s now, not %s any more; removing %s", facts.Wanted, to, status.To)}
	case facts.Retry != status.HandledRetry:
		return Decision{Workflow: Upgrade, Step: status.Step, NewAttempt: true, Reason: v1alpha1.ReasonProgressing,
			Message: "spec.retry asks for " + status.Step + " to be tried again"}
	}
	return stay(status, "", "")
}

// whileRemoving: green is removed, unless traffic reached it before anything of it was
// removed. If the version still asks for green, a rollback waits until version and target
// agree in Git.
func whileRemoving(status v1alpha1.PgUpgradeStatus, facts Facts, to string) Decision {
	_, at := Find(status.Workflow, status.Step)
	_, stop := Find(status.Workflow, StopReplication)
	serves := facts.Active == status.To && facts.Target == status.To
	if serves && at <= stop && (status.Workflow == Abort || facts.Wanted == to) {
		return servesAfterAll(status, "so it is not removed")
	}
	return stay(status, "", "")
}

func servesAfterAll(status v1alpha1.PgUpgradeStatus, why string) Decision {
	return Decision{Workflow: Upgrade, Step: Soak, Reason: v1alpha1.ReasonSoakInProgress, Message: status.To + " serves, " + why}
}

// disagree: a third version is asked for while the target is green.
func disagree(status v1alpha1.PgUpgradeStatus, facts Facts) Decision {
	return stay(status, v1alpha1.ReasonConflictingSpec,
		fmt.Sprintf("Git asks for version %s, but the PgProxy's spec.target is %s; set it to %s to have %s removed, or the version back",
			facts.Wanted, status.To, status.From, status.To))
}

func (f Facts) rolledBack(status v1alpha1.PgUpgradeStatus) bool {
	return f.Active == status.From && f.Target == status.From
}

func duringSoak(status v1alpha1.PgUpgradeStatus, facts Facts, from, to string) Decision {
	switch {
	case facts.rolledBack(status):
		return Decision{Workflow: RolledBack, Step: AwaitDecision, Reason: v1alpha1.ReasonRolledBack,
			Message: fmt.Sprintf("the cutover was reverted; %s serves again and %s follows it", status.From, status.To)}
	case facts.Wanted == from:
		return rollback(status, facts)
	case facts.AnalysisFailed && facts.RollbackReady && facts.Active == status.To && facts.Target == status.To:
		return Decision{Workflow: RevertCutover, Step: CommitRollback, Reason: v1alpha1.ReasonAnalysisFailed,
			Message: "the analysis failed; reverting the cutover"}
	case facts.Wanted != to:
		return stay(status, v1alpha1.ReasonWaitingForSoak,
			fmt.Sprintf("Git asks for %s now; that upgrade begins when the soak of %s is over (end it at once with spec.soak.finalizedVersion: %q)", facts.Wanted, to, to))
	}
	return stay(status, "", "")
}

// whileReverting: the analysis of the soak failed. Until the revert is on the branch, Gitover may give it up: people said otherwise,
// or it would lose something now. A revert that waits to be merged is people's to judge.
func whileReverting(status v1alpha1.PgUpgradeStatus, facts Facts) Decision {
	refused := status.Analysis.Failure.Refused
	serves := facts.Active == status.To && facts.Target == status.To
	back := Decision{Workflow: Upgrade, Step: Soak, Reason: v1alpha1.ReasonSoakInProgress}
	switch {
	case serves && refused != "":
		back.Message = "the revert was refused: " + refused
	case serves && status.Step == CommitRollback && !facts.AnalysisFailed:
		back.Message = "spec.soak.analysis no longer asks for a revert"
	case serves && status.Step == CommitRollback && !facts.RollbackReady && status.Proposal == nil:
		back.Message = "RollbackReady is no longer True; the cutover is reverted when it is"
	default:
		return stay(status, "", "")
	}
	return back
}

func rollback(status v1alpha1.PgUpgradeStatus, facts Facts) Decision {
	return Decision{Workflow: Rollback, Step: CommitRollback, Reason: v1alpha1.ReasonAborting,
		Message: fmt.Sprintf("Git asks for %s again; returning traffic to %s and then removing %s", facts.Wanted, status.From, status.To)}
}

// afterRollback: a human reverted the cutover; only Git can say what comes next.
func afterRollback(status v1alpha1.PgUpgradeStatus, facts Facts, from, to string) Decision {
	switch {
	case facts.Active == status.To && facts.Target == status.To:
		return Decision{Workflow: Upgrade, Step: Soak, Reason: v1alpha1.ReasonSoakInProgress,
			Message: fmt.Sprintf("the revert was reverted; %s serves again", status.To)}
	case facts.Target == status.To && facts.Wanted == from:
		return rollback(status, facts)
	case facts.Target == status.To && facts.Wanted != to:
		return disagree(status, facts)
	case facts.Wanted != to && facts.Active == status.From:
		return Decision{Workflow: Abort, Step: StopReplication, Reason: v1alpha1.ReasonAborting,
			Message: fmt.Sprintf("Git asks for %s now; removing %s", facts.Wanted, status.To)}
	case status.HandledRetry != facts.Retry && facts.rolledBack(status) && !failover.HoldsRows(status): // which it may answer
		return Decision{Workflow: Upgrade, Step: CatchUp, NewAttempt: true, Reason: v1alpha1.ReasonProgressing,
			Message: fmt.Sprintf("spec.retry asks for another cutover to %s", status.To)}
	}
	return stay(status, v1alpha1.ReasonRolledBack,
		fmt.Sprintf("the cutover to %s was reverted; change the version, set spec.retry, or revert the revert", status.To))
}

func stay(status v1alpha1.PgUpgradeStatus, reason, message string) Decision {
	return Decision{Idle: status.Workflow == "", Workflow: status.Workflow, Step: status.Step, Reason: reason, Message: message}
}

// Advance says what follows a finished step.
func Advance(status v1alpha1.PgUpgradeStatus) Decision {
	_, i := Find(status.Workflow, status.Step)
	table := Workflows[status.Workflow]
	if i >= 0 && i+1 < len(table) {
		return Decision{Workflow: status.Workflow, Step: table[i+1].Name}
	}
	switch status.Workflow {
	case Upgrade:
		return Decision{Idle: true, Outcome: "Finalized", Reason: v1alpha1.ReasonUpToDate}
	case Abort:
		if wasRehearsal(status) {
			return Decision{Idle: true, Outcome: v1alpha1.ReasonRehearsed, Reason: v1alpha1.ReasonRehearsed}
		}
		return Decision{Idle: true, Outcome: "Aborted", Reason: v1alpha1.ReasonUpToDate}
	case Rollback:
		return Decision{Idle: true, Outcome: "RolledBack", Reason: v1alpha1.ReasonUpToDate}
	case RevertCutover:
		return Decision{Workflow: RolledBack, Step: AwaitDecision, Reason: v1alpha1.ReasonRolledBack}
	}
	return stay(status, "", "")
}
