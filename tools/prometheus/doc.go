// Package prometheus holds the alerts and the dashboard of manifests/monitoring against the metrics that docs/operations.md
// has, and tries the alerts. `make monitoring` runs it; Prometheus' own packages do the work, apart from the product's module.
package prometheus
