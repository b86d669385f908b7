// Package steps is the workflow of an upgrade: tables of steps, the pure function that
// says what comes next, and one file per step.
//
// Authority: status.workflow and status.step say where the workflow stands; whether a
// step is done is judged from the world (Kubernetes, SQL, Git) by its Done, never from
// memory. A crash anywhere resumes: Done is asked again, and Run finds its own work.
//
// States: Upgrade walks from Preflight to AwaitPruned; Abort removes green before the
// cutover; Rollback returns traffic first and then aborts; RevertCutover takes our own cutover
// commit back when the switch can't be made; RolledBack waits for a human. Next holds
// the transitions.
//
// What takes an instance away (removal_guard.go) asks first, past every cache, whether the other
// one serves and nothing leads away from it; the step is stored by then, so that the PgProxy
// controller sees it before it begins a switch.
//
// On failure: an error whose meaning is known becomes a condition with a documented
// reason (package controllers maps it); the same step is tried again later. Nothing here
// moves traffic: that is the PgProxy controller's, because Git said so.
package steps
