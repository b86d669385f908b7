// Package analysis tells people and the status what the checks of the soak mean for an upgrade: the condition AnalysisPassed, its
// events, the decision to revert, and what becomes of the analysis when traffic moves again. Package steps/analysis measures and
// judges; package steps says what follows.
package analysis
