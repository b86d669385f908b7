package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitover/gitover/api/v1alpha1"
)

// scrapeTimeout bounds a scrape; the objects come from a cache.
const scrapeTimeout = 5 * time.Second

// Collector tells the state of PgUpgrades and PgProxies as it is at each scrape.
type Collector struct {
	// Reader is the cache.
	Reader client.Reader
	// Elected is closed once this controller leads; before, nothing is told.
	Elected <-chan struct{}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, g := range gauges {
		to <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	select {
	case <-c.Elected:
	default:
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var upgrades v1alpha1.PgUpgradeList
	if err := c.Reader.List(ctx, &upgrades); err != nil {
		log.Log.Info("PgUpgrades are missing from the metrics", "error", err.Error())
	}
	for i := range upgrades.Items {
		collectUpgrade(&upgrades.Items[i], to)
	}
	var proxies v1alpha1.PgProxyList
	if err := c.Reader.List(ctx, &proxies); err != nil {
		log.Log.Info("PgProxies are missing from the metrics", "error", err.Error())
	}
	for i := range proxies.Items {
		collectProxy(&proxies.Items[i], to)
	}
}

// gauge is one number of an object, which its namespace and name are labels of.
type gauge struct{ desc *prometheus.Desc }

// gauges are all that newGauge has made.
var gauges []*gauge

func newGauge(name, help string, labels ...string) *gauge {
	labels = append([]string{"namespace", "name"}, labels...)
	g := &gauge{prometheus.NewDesc(name, help, labels, nil)}
	gauges, described[name] = append(gauges, g), labels
	return g
}

// to tells the number of an object, with the values of the labels.
func (g *gauge) to(to chan<- prometheus.Metric, o client.Object, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, value, append([]string{o.GetNamespace(), o.GetName()}, labels...)...)
}
