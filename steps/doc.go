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
