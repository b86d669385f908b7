package v1alpha1

// Condition types. Ready, Reconciling and Stalled follow kstatus: Ready=False with
// Reconciling=True is "on its way", Stalled=True is "a human must act".
const (
	// ReadyCondition is True while the object is as Git wants it.
	//
	// PgUpgrade, True:  UpToDate, SoakInProgress, Rehearsed
	// PgUpgrade, False: any step's name while it runs (Preflight, CommitGreen, …), and the
	// reasons of StalledCondition.
	// PgProxy, True:  Active
	// PgProxy, False: Switching, SwitchWaiting, SwitchFailed, RollbackUnavailable, ConflictingSpec, and
	// the reasons of StalledCondition.
	ReadyCondition = "Ready"

	// ReconcilingCondition is True while Gitover works on the object or waits for something outside.
	ReconcilingCondition = "Reconciling"

	// StalledCondition is True when nothing continues until a human acts.
	StalledCondition = "Stalled"

	// PreflightPassedCondition: False names the first blocking finding; status.findings
	// holds all of them.
	PreflightPassedCondition = "PreflightPassed"

	// ReplicatingCondition is True while green (or, during the soak, blue) follows.
	ReplicatingCondition = "Replicating"

	// RollbackReadyCondition is True while a revert of the cutover commit loses nothing, and Flux would apply it.
	RollbackReadyCondition = "RollbackReady"

	// AnalysisPassedCondition is True while every check of spec.soak.analysis passes.
	//
	// True:    AnalysisPassed
	// False:   AnalysisFailing (a check failed, but not yet as often as its threshold says), AnalysisFailed
	// Unknown: AnalysisPending (nothing was checked yet), AnalysisUnknown (a check has no result), AnalysisStalled (for longer than
	// spec.soak.analysis.unknownAfter)
	AnalysisPassedCondition = "AnalysisPassed"

	// SuspendedCondition is True while spec.suspend is.
	SuspendedCondition = "Suspended"
)

// Reasons of conditions. A step in progress uses the step's own name as its reason.
const (
	// ReasonUpToDate: the active instance has the version that Git asks for.
	ReasonUpToDate = "UpToDate"
	// ReasonSoakInProgress: cut over; the rollback path is open until the soak ends.
	ReasonSoakInProgress = "SoakInProgress"
	// ReasonRolledBack: a revert of the cutover commit was applied; waiting for a new version or a retry.
	ReasonRolledBack = "RolledBack"
	// ReasonAborting: the version was reverted before the cutover; green is being removed.
	ReasonAborting = "Aborting"
	// ReasonAborted: Gitover ended the upgrade by itself, as a hook's onFailure says.
	ReasonAborted = "Aborted"
	// ReasonRehearsed: a rehearsal came to the gate, and what it made was removed; status.rehearsal is its report.
	ReasonRehearsed = "Rehearsed"
	// ReasonConflictingSpec: spec.version and the proxy's spec.target want different things, or
	// the target is an instance that is being removed.
	ReasonConflictingSpec = "ConflictingSpec"
	// ReasonWaitingForSoak: another version was asked for during the soak.
	ReasonWaitingForSoak = "WaitingForSoak"
	// ReasonSuspended: spec.suspend is true.
	ReasonSuspended = "Suspended"
	// ReasonProgressing: the workflow is in progress.
	ReasonProgressing = "Progressing"

	// ReasonInvalidSpec: the spec contradicts itself or names something that can't be.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonPreflightBlocked: at least one blocking finding isn't acknowledged.
	ReasonPreflightBlocked = "PreflightBlocked"
	// ReasonSecretNotFound: a referenced Secret is missing.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretInvalid: a referenced Secret lacks a key.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonSourceNotFound: the GitRepository or Kustomization is missing.
	ReasonSourceNotFound = "SourceNotFound"
	// ReasonAccessDenied: the object may not use what it refers to (another namespace, a
	// directory that Flux didn't deliver it from).
	ReasonAccessDenied = "AccessDenied"
	// ReasonForbidden: Kubernetes refused the controller a request: a right is missing (the
	// message names it), or a quota or a policy is in the way.
	ReasonForbidden = "Forbidden"
	// ReasonGitUnreachable: the Git server does not answer.
	ReasonGitUnreachable = "GitUnreachable"
	// ReasonGitUnauthorized: the Git server refused the credentials.
	ReasonGitUnauthorized = "GitUnauthorized"
	// ReasonPushRejected: the server declined the push (protected branch, hook, read-only key).
	ReasonPushRejected = "PushRejected"
	// ReasonGitConflict: others kept pushing; will be tried again.
	ReasonGitConflict = "GitConflict"
	// ReasonPathNotFound: a file or directory is not in the repository.
	ReasonPathNotFound = "PathNotFound"
	// ReasonFieldNotFound: spec.versionFrom names a field that the file does not have.
	ReasonFieldNotFound = "FieldNotFound"
	// ReasonManifestInvalid: a file can't be edited safely, or was edited by hand.
	ReasonManifestInvalid = "ManifestInvalid"
	// ReasonBuildFailed: the instance's base does not build.
	ReasonBuildFailed = "BuildFailed"
	// ReasonUnsupportedVersion: not a PostgreSQL major that Gitover supports.
	ReasonUnsupportedVersion = "UnsupportedVersion"

	// ReasonFluxSuspended: the source or the Kustomization is suspended.
	ReasonFluxSuspended = "FluxSuspended"
	// ReasonFluxFailing: Flux can't fetch, build or apply.
	ReasonFluxFailing = "FluxFailing"
	// ReasonFluxPending: Flux has not applied the commit yet.
	ReasonFluxPending = "FluxPending"
	// ReasonWorkloadNotReady: applied, but the instance's pods are not ready.
	ReasonWorkloadNotReady = "WorkloadNotReady"

	// ReasonServerUnreachable: no connection to a PostgreSQL server.
	ReasonServerUnreachable = "ServerUnreachable"
	// ReasonServerAuthFailed: a PostgreSQL server refused the credentials.
	ReasonServerAuthFailed = "ServerAuthenticationFailed"
	// ReasonServerUntrusted: a PostgreSQL server's certificate fails verification, or the server
	// asks for the password in a way that would reveal it.
	ReasonServerUntrusted = "ServerUntrusted"
	// ReasonRightsMissing: the connection's user may not do what the upgrade needs.
	ReasonRightsMissing = "RightsMissing"
	// ReasonWrongVersion: the server that answers has another version than the manifests say.
	ReasonWrongVersion = "WrongVersion"
	// ReasonInstanceNotFresh: the new instance's volume already holds tables.
	ReasonInstanceNotFresh = "InstanceNotFresh"
	// ReasonDiskFull: a PostgreSQL server has no room left.
	ReasonDiskFull = "DiskFull"
	// ReasonDiskLow: a volume will be full before the copy ends, as far as its claim tells, or the copy waits for room.
	ReasonDiskLow = "DiskLow"
	// ReasonSchemaDrift: the two sides' schemas differ.
	ReasonSchemaDrift = "SchemaDrift"
	// ReasonReplicaIdentity: an event only. Gitover gives tables a replica identity, or their former one back, or leaves one
	// that was changed by hand.
	ReasonReplicaIdentity = "ReplicaIdentity"
	// ReasonReplicationBroken: a subscription stopped with an error, or lags without end.
	ReasonReplicationBroken = "ReplicationBroken"
	// ReasonSlotLost: the publisher threw away WAL that the other side still needed.
	ReasonSlotLost = "SlotLost"
	// ReasonPrimaryReplaced: a standby took a primary's place, or the side that follows let applications in; what was lost is copied again, and
	// rows are compared.
	ReasonPrimaryReplaced = "PrimaryReplaced"
	// ReasonCommitsLost: after a failover only the side that follows has some commits that clients saw confirmed.
	ReasonCommitsLost = "CommitsLost"
	// ReasonRetainedWAL: a slot keeps more WAL than spec.limits.retainedWAL allows.
	ReasonRetainedWAL = "RetainedWAL"
	// ReasonCopyInterrupted: a parallel copy met a failure, and continues by itself.
	ReasonCopyInterrupted = "CopyInterrupted"
	// ReasonCopyPaused: a parallel copy waits; the message says for what.
	ReasonCopyPaused = "CopyPaused"
	// ReasonVerificationFailed: rows differ between the sides.
	ReasonVerificationFailed = "VerificationFailed"
	// ReasonJobFailed: a Job that copies schemas or data failed; its last lines are in the message.
	ReasonJobFailed = "JobFailed"

	// ReasonHookFailed: a hook of spec.hooks failed; its last lines are in the message.
	ReasonHookFailed = "HookFailed"
	// ReasonHookSucceeded: an event only. A hook of spec.hooks succeeded; its last lines are in the message.
	ReasonHookSucceeded = "HookSucceeded"
	// ReasonAnalysisPassed: every check of the soak passes.
	ReasonAnalysisPassed = "AnalysisPassed"
	// ReasonAnalysisFailing: a check of the soak failed, but not yet as often in a row as its threshold says.
	ReasonAnalysisFailing = "AnalysisFailing"
	// ReasonAnalysisFailed: a check of the soak failed as often in a row as its threshold says.
	ReasonAnalysisFailed = "AnalysisFailed"
	// ReasonAnalysisPending: the checks of the soak begin after spec.soak.analysis.initialDelay.
	ReasonAnalysisPending = "AnalysisPending"
	// ReasonAnalysisUnknown: a check of the soak has no result.
	ReasonAnalysisUnknown = "AnalysisUnknown"
	// ReasonAnalysisStalled: a check of the soak has had no result for longer than spec.soak.analysis.unknownAfter.
	ReasonAnalysisStalled = "AnalysisStalled"

	// ReasonWaitingForApproval: the gate needs spec.cutover.approvedVersion.
	ReasonWaitingForApproval = "WaitingForApproval"
	// ReasonWaitingForMerge: a commit waits on a branch of its own until people merge it.
	ReasonWaitingForMerge = "WaitingForMerge"
	// ReasonProposalRefused: the branch of a commit is gone and its content isn't on the branch that Flux follows.
	ReasonProposalRefused = "ProposalRefused"
	// ReasonClockSkew: the controller's clock and the serving server's differ by more than a
	// minute, so time alone opens no gate.
	ReasonClockSkew = "ClockSkew"
	// ReasonOutsideWindow: the cutover is approved, but the time is outside of spec.cutover.windows.
	ReasonOutsideWindow = "OutsideWindow"
	// ReasonFrozen: a freeze of spec.freezes lasts; the message has its reason and its end.
	ReasonFrozen = "Frozen"
	// ReasonReplicating: rows flow and the lag is known.
	ReasonReplicating = "Replicating"
	// ReasonStarting: replication was set up, and begins in a moment.
	ReasonStarting = "Starting"
	// ReasonNotReplicating: nothing to follow, or not set up yet.
	ReasonNotReplicating = "NotReplicating"
	// ReasonPassed: no blocking finding.
	ReasonPassed = "Passed"

	// ReasonActive: traffic goes where Git says.
	ReasonActive = "Active"
	// ReasonSwitching: a switch is in progress.
	ReasonSwitching = "Switching"
	// ReasonSwitchWaiting: the guard names an obstacle; tried again.
	ReasonSwitchWaiting = "SwitchWaiting"
	// ReasonSwitchFailed: attempts are used up; traffic stays where it was.
	ReasonSwitchFailed = "SwitchFailed"
	// ReasonFenced: the side that serves refuses applications.
	ReasonFenced = "Fenced"
	// ReasonUnknownTarget: spec.target names no instance of the pair.
	ReasonUnknownTarget = "UnknownTarget"
	// ReasonTargetNotInGit: spec.target was changed in the cluster, and only there.
	ReasonTargetNotInGit = "TargetNotInGit"
	// ReasonNoPoolers: the selector matches no ready pooler.
	ReasonNoPoolers = "NoPoolers"
	// ReasonPoolerUnreachable: a pooler's agent doesn't answer.
	ReasonPoolerUnreachable = "PoolerUnreachable"
	// ReasonPoolerRefused: a pooler's agent or admin console refuses.
	ReasonPoolerRefused = "PoolerRefused"
	// ReasonUpgradeNotFound: spec.upgradeRef names nothing.
	ReasonUpgradeNotFound = "UpgradeNotFound"
	// ReasonRollbackUnavailable: no reverse replication (before the cutover, or finalized); a target that
	// asks for it nevertheless is not followed.
	ReasonRollbackUnavailable = "RollbackUnavailable"
)

// Finalizer keeps an object until Gitover has cleaned up what is safe.
const Finalizer = "gitover.dev/finalizer"

// Labels that Gitover writes on every object of an instance.
const (
	UpgradeLabel  = "gitover.dev/upgrade"
	InstanceLabel = "gitover.dev/instance"
	// RunAnnotation of a volume claim is the run for whose physical copy Gitover made it.
	RunAnnotation = "gitover.dev/run"
	// HookAnnotation of a Job is the hook that it runs; HookRevisionAnnotation and HookDigestAnnotation say which content.
	HookAnnotation         = "gitover.dev/hook"
	HookRevisionAnnotation = "gitover.dev/hook-revision"
	HookDigestAnnotation   = "gitover.dev/hook-digest"
)

// FieldManager is Gitover's name in managedFields. Flux leaves alone what it doesn't
// have in Git unless the manager's name begins with "kubectl".
const FieldManager = "gitover"
