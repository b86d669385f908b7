package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/gitover/gitover/test/bench/report"
)

const (
	pausedName = "poolers paused until Flux has applied a commit"
	dumpName   = "pg_dump and pg_restore, nothing running"
)

// parts of a switch, in the order of time; those of the hold are what clients wait for.
var (
	partsOfHold = []string{"hold", "fence", "drain", "sequences", "flip", "decide", "open", "resume"}
	allParts    = append(append([]string{"prepare"}, partsOfHold...), "finish")
)

// writeReport of all cases, beside the alternatives.
func writeReport(r *report.Report, results []result, paused []float64, dump float64) error {
	slices.Sort(paused)
	for _, c := range results {
		what := fmt.Sprintf("%s: %d switches", c.scenario, c.switches)
		for _, name := range []string{stall, worst, held} {
			values := slices.Sorted(slices.Values(c.samples[name]))
			r.Add(what, name+", least", "ms", values[0])
			r.Against(what, name+", median", "ms", median(values), pausedName, median(paused))
			r.Add(what, name+", 95 %", "ms", values[(len(values)*95-1)/100])
			r.Against(what, name+", most", "ms", values[len(values)-1], pausedName, paused[len(paused)-1])
		}
		r.Against(what, p99After+", median", "ms", median(c.samples[p99After]), p99Before, median(c.samples[p99Before]))
		for _, name := range allParts {
			r.Add(what, name+", median", "ms", median(c.samples[name]))
		}
		r.Add(what, ready+", median", "ms", median(c.samples[ready]))
		r.Add(what, back+", most", "ms", most(c.samples[back]))
		r.Add(what, "transactions that failed", "", float64(c.summary.Failed))
	}
	r.Against("the same database", "clients' stall, median, of the first case", "ms", median(results[0].samples[stall]), dumpName, dump)
	if err := r.Write(".", os.Stdout); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(".cache", "bench", "switch.svg"), []byte(anatomy(results[0])), 0o600)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func most(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Max(values)
}

// summarize the cases in a few lines: medians in milliseconds.
func summarize(results []result) {
	for _, c := range results {
		fmt.Printf("\n%s: %d switches, median and most in ms\n", c.scenario, c.switches)
		for _, name := range append([]string{stall, worst, held, p99Before, p99After, back, ready}, allParts...) {
			if values := c.samples[name]; len(values) > 0 {
				fmt.Printf("  %-28s %6.0f %6.0f\n", name, median(values), slices.Max(values))
			}
		}
	}
}
