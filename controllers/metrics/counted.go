package metrics

import (
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
)

var (
	heldSeconds = histogram("gitover_switch_held_seconds", "Time that traffic was held by a switch.",
		[]float64{.01, .02, .03, .05, .075, .1, .15, .2, .3, .5, 1, 2, 5, 10}, "outcome")
	partSeconds = histogram("gitover_switch_part_seconds", "Time that each part of a switch took.",
		[]float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 5, 30}, "part")
	switches    = counter("gitover_switches_total", "Switches that ended, also those that held no traffic.", "outcome")
	stepSeconds = histogram("gitover_step_seconds", "Time from the start of a step to its end.",
		[]float64{.5, 1, 2, 5, 10, 30, 60, 300, 900, hour, 4 * hour, 24 * hour, 7 * 24 * hour}, "step")
	runs       = counter("gitover_runs_total", "Upgrades that ended.", "outcome")
	gitSeconds = histogram("gitover_git_operation_seconds", "Time that an operation on a Git server took.",
		[]float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}, "operation", "result")
	looks = counter("gitover_reconciles_total", "Looks at an object, by what they came to.", "kind", "result")
)

const hour = 3600

// counted are all metrics of things that happen; described has the labels of each metric.
var (
	counted   []prometheus.Collector
	described = map[string][]string{}
)

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	counted, described[name] = append(counted, h), labels
	return h
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	counted, described[name] = append(counted, c), labels
	return c
}

// Described is every metric by name, with its labels.
func Described() map[string][]string { return maps.Clone(described) }

func init() { metrics.Registry.MustRegister(counted...) }

// Register counted metrics with another registry than controller-runtime's, for a test.
func Register(r prometheus.Registerer) {
	r.MustRegister(counted...)
}

// Switch counts one that ended.
func Switch(s v1alpha1.SwitchRecord) {
	switches.WithLabelValues(s.Outcome).Inc()
	if s.HeldAt == nil {
		return
	}
	heldSeconds.WithLabelValues(s.Outcome).Observe(float64(s.HeldMicroseconds) / 1e6)
	for part, microseconds := range s.Parts {
		partSeconds.WithLabelValues(part).Observe(float64(microseconds) / 1e6)
	}
}

// Step counts one that is done; of one whose start isn't known, nothing.
func Step(name string, started, finished time.Time) {
	if started.IsZero() {
		return
	}
	stepSeconds.WithLabelValues(name).Observe(max(0, finished.Sub(started).Seconds()))
}

// Run counts an upgrade that ended.
func Run(ended string) { runs.WithLabelValues(ended).Inc() }

// Git counts an operation on a Git server.
func Git(operation string, took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = outcome.ReasonOf(err, "Error").Reason
	}
	gitSeconds.WithLabelValues(operation, result).Observe(took.Seconds())
}

// Look counts one look at an object of a kind.
func Look(kind string, o outcome.Outcome) {
	result := "Progressing"
	switch {
	case o.Ready:
		result = "Ready"
	case o.Stalled:
		result = "Stalled"
	case o.Failing:
		result = "Failing"
	}
	looks.WithLabelValues(kind, result).Inc()
}
