// Package metrics is what Prometheus gets to know of upgrades, proxies and their switches.
//
// Two kinds: Collector tells the state of every PgUpgrade and PgProxy from the cache at each scrape, so that a series ends with
// its object and none is forgotten; what happens and ends (steps, switches, Git operations, looks) is counted as it happens.
// Only the controller that leads tells either, so that two replicas don't count twice. Labels are names of objects and of things
// that the code knows: steps, reasons, outcomes.
//
// The table in docs/operations.md is the contract: a test there compares it with Described.
package metrics
