// Package analysis checks during the soak whether the new instance does its work: it measures, counts failures in a row, and says
// whether the cutover is to be reverted.
//
// Authority: it reads and has no effect; package steps makes the transition and the commit. A check has three results. Passed and
// failed are measured values, inside or outside of the wanted range. Everything else is unknown: no answer, a refusal, a timeout, no
// data, no number. An unknown result never leads to a revert, and never ends a soak.
//
// State: PgUpgrade's status.analysis alone. Whoever reads it goes on where another process ended.
package analysis
