package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/gitover/gitover/api/v1alpha1"
)

var (
	heldSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gitover_switch_held_seconds", Help: "Time that traffic was held by a switch.",
		Buckets: []float64{.01, .02, .03, .05, .075, .1, .15, .2, .3, .5, 1, 2, 5, 10},
	}, []string{"outcome"})
	partSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gitover_switch_part_seconds", Help: "Time that each part of a switch took.",
		Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 5, 30},
	}, []string{"part"})
)

func init() { metrics.Registry.MustRegister(heldSeconds, partSeconds) }

// observe counts a switch that ended.
func observe(s v1alpha1.SwitchRecord) {
	if s.HeldAt == nil {
		return
	}
	heldSeconds.WithLabelValues(s.Outcome).Observe(float64(s.HeldMicroseconds) / 1e6)
	for part, microseconds := range s.Parts {
		partSeconds.WithLabelValues(part).Observe(float64(microseconds) / 1e6)
	}
}
