package main

import "github.com/gitover/gitover/test/ledger"

// checkpoints of a fleet: what its checks have found so far.
type checkpoints struct {
	report ledger.Report
	// longestHold in milliseconds, as the agents tell.
	longestHold float64
	// commits that there may be, and those whose files were looked at.
	commits ledgerOfCommits
	looked  map[string]bool
}

// take the newest report: each covers all since the beginning.
func (b *checkpoints) take(r ledger.Report) { b.report = r }
