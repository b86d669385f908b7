package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/metrics"
	"github.com/gitover/gitover/steps"
)

// series that Prometheus would scrape, by name and labels, as it writes them; of a histogram the count and the sum.
func (w *team) series() map[string]float64 {
	w.Helper()
	families, err := w.metrics.Gather()
	w.must(err)
	all := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			name := func(suffix string) string {
				return family.GetName() + suffix + "{" + strings.Join(labels, ",") + "}"
			}
			switch {
			case m.Histogram != nil:
				all[name("_count")], all[name("_sum")] = float64(m.Histogram.GetSampleCount()), m.Histogram.GetSampleSum()
			case m.Counter != nil:
				all[name("")] = m.Counter.GetValue()
			default:
				all[name("")] = m.Gauge.GetValue()
			}
		}
	}
	return all
}

// scrapes until the series are as wanted; NaN is for one that isn't there.
func (w *team) scrapes(want map[string]float64, gone ...string) {
	w.Helper()
	var wrong []string
	eventually(w.T, 2*soon, func() bool {
		all := w.series()
		wrong = nil
		for name, value := range want {
			if have, ok := all[name]; !ok || have != value {
				wrong = append(wrong, fmt.Sprintf("%s is %v (there: %v), want %v", name, have, ok, value))
			}
		}
		for _, part := range gone {
			for name := range all {
				if strings.Contains(name, part) {
					wrong = append(wrong, name+" is still there")
				}
			}
		}
		return len(wrong) == 0
	}, func() string { return strings.Join(wrong, "\n") })
}

// TestPrometheusSeesAnUpgradeOnItsWay with its lag, copy and findings, and no longer once it is gone.
func TestPrometheusSeesAnUpgradeOnItsWay(t *testing.T) {
	w := aTeam(t)
	u := w.upgrade("orders")
	u.Spec.Suspend = true // its status stays as it is here
	u.Spec.Limits.RetainedWAL = ptr.To(resource.MustParse("1Gi"))
	began, measured := metav1.Unix(1_700_000_000, 0), metav1.Unix(1_700_000_060, 0)
	u.Status = v1alpha1.PgUpgradeStatus{
		Version: "15", Workflow: steps.Upgrade, Run: "run", Step: steps.CatchUp, From: "orders-15", To: "orders-17",
		Steps:         []v1alpha1.StepStatus{{Name: steps.CopyData, StartedAt: &began, FinishedAt: &measured}, {Name: steps.CatchUp, StartedAt: &measured}},
		Lag:           &v1alpha1.LagStatus{Bytes: 4096, At: measured, DelayMilliseconds: ptr.To(int64(1500))},
		RetainedBytes: 8192,
		Copy:          &v1alpha1.CopyStatus{BytesTotal: 1000, BytesCopied: 400, BytesPerSecond: 20, Failures: 1},
		Findings: []v1alpha1.Finding{{Name: "a", Severity: "Warn", Count: 3}, {Name: "b", Severity: "Block", Acknowledged: true}, {Name: "c", Severity: "Block"},
			{Name: "d", Severity: "Warn"}},
	}
	w.createWithStatus(u)
	w.run()
	of := fmt.Sprintf(`name="orders",namespace="%s"`, w.namespace)
	w.scrapes(map[string]float64{
		fmt.Sprintf(`gitover_upgrade_info{from="orders-15",%s,step="CatchUp",to="orders-17",version="15",workflow="Upgrade"}`, of): 1,
		fmt.Sprintf(`gitover_upgrade_condition{%s,reason="Suspended",status="True",type="Suspended"}`, of):                         1,
		fmt.Sprintf(`gitover_upgrade_step_start_timestamp_seconds{%s,step="CatchUp"}`, of):                                         1_700_000_060,
		fmt.Sprintf(`gitover_upgrade_lag_bytes{%s}`, of):                                                                           4096,
		fmt.Sprintf(`gitover_upgrade_lag_seconds{%s}`, of):                                                                         1.5,
		fmt.Sprintf(`gitover_upgrade_lag_timestamp_seconds{%s}`, of):                                                               1_700_000_060,
		fmt.Sprintf(`gitover_upgrade_retained_wal_bytes{%s}`, of):                                                                  8192,
		fmt.Sprintf(`gitover_upgrade_retained_wal_limit_bytes{%s}`, of):                                                            1 << 30,
		fmt.Sprintf(`gitover_upgrade_copy_bytes{%s}`, of):                                                                          400,
		fmt.Sprintf(`gitover_upgrade_copy_total_bytes{%s}`, of):                                                                    1000,
		fmt.Sprintf(`gitover_upgrade_copy_bytes_per_second{%s}`, of):                                                               20,
		fmt.Sprintf(`gitover_upgrade_copy_failures{%s}`, of):                                                                       1,
		fmt.Sprintf(`gitover_upgrade_findings{%s,severity="warn"}`, of):                                                            4,
		fmt.Sprintf(`gitover_upgrade_findings{%s,severity="block"}`, of):                                                           1,
		fmt.Sprintf(`gitover_upgrade_findings{%s,severity="info"}`, of):                                                            0,
	}, fmt.Sprintf(`gitover_upgrade_step_start_timestamp_seconds{%s,step="CopyData"}`, of))
	// deletion waits for servers that aren't there; others may take the finalizer off
	w.must(w.Delete(t.Context(), u))
	eventually(t, soon, func() bool {
		if w.Get(t.Context(), client.ObjectKeyFromObject(u), u) != nil {
			return true
		}
		u.Finalizers = nil
		_ = w.Update(t.Context(), u)
		return false
	}, func() string { return "the upgrade is gone" })
	w.scrapes(nil, of)
}

// TestPrometheusSeesWhereTrafficGoes and what a switch does with it.
func TestPrometheusSeesWhereTrafficGoes(t *testing.T) {
	w := aTeam(t)
	p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "orders"}}
	p.Spec.UpgradeRef.Name, p.Spec.Target = "orders", "orders-17"
	p.Spec.Pooler.Selector = metav1.LabelSelector{MatchLabels: map[string]string{"app": "pooler"}}
	began, held, ended := metav1.Unix(1_700_000_000, 0), metav1.NewMicroTime(time.UnixMicro(1_700_000_001_500_000)), metav1.NewMicroTime(time.UnixMicro(1_600_000_000_250_000))
	p.Status = v1alpha1.PgProxyStatus{
		Active: "orders-15", Poolers: &v1alpha1.PoolerCount{Ready: 1, Total: 2}, FailedAttempts: 3,
		Conditions: []metav1.Condition{{Type: v1alpha1.RollbackReadyCondition, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReplicating, LastTransitionTime: began}},
		Switch:     &v1alpha1.SwitchStatus{ID: "now", From: "orders-15", To: "orders-17", Phase: "Holding", StartedAt: began, HeldSince: &held},
		Switches:   []v1alpha1.SwitchRecord{{ID: "last", From: "orders-15", To: "orders-17", Outcome: "Aborted", FinishedAt: ended, HeldAt: &ended, HeldMicroseconds: 182_000}},
	}
	w.createWithStatus(p)
	w.run() // what it belongs to doesn't exist, so its status stays
	of := fmt.Sprintf(`name="orders",namespace="%s"`, w.namespace)
	w.scrapes(map[string]float64{
		fmt.Sprintf(`gitover_proxy_info{active="orders-15",%s,target="orders-17",upgrade="orders"}`, of):     1,
		fmt.Sprintf(`gitover_proxy_condition{%s,reason="UpgradeNotFound",status="True",type="Stalled"}`, of): 1,
		fmt.Sprintf(`gitover_proxy_condition{%s,reason="UpgradeNotFound",status="False",type="Ready"}`, of):  1,
		fmt.Sprintf(`gitover_proxy_poolers{%s}`, of):                                                         2,
		fmt.Sprintf(`gitover_proxy_poolers_ready{%s}`, of):                                                   1,
		fmt.Sprintf(`gitover_proxy_rollback_ready{%s}`, of):                                                  1,
		fmt.Sprintf(`gitover_proxy_failed_attempts{%s}`, of):                                                 3,
		fmt.Sprintf(`gitover_proxy_switch_start_timestamp_seconds{%s,phase="Holding"}`, of):                  1_700_000_000,
		fmt.Sprintf(`gitover_proxy_held_since_timestamp_seconds{%s}`, of):                                    1_700_000_001.5,
		fmt.Sprintf(`gitover_proxy_last_switch_held_seconds{%s,outcome="Aborted"}`, of):                      0.182,
		fmt.Sprintf(`gitover_proxy_last_switch_timestamp_seconds{%s,outcome="Aborted"}`, of):                 1_600_000_000.25,
	})
	w.must(w.Delete(t.Context(), p))
	w.awaitGone(soon, p)
	w.scrapes(nil, of)
}

// TestLooksAreCountedByWhatTheyCameTo as they are made.
func TestLooksAreCountedByWhatTheyCameTo(t *testing.T) {
	w := aTeam(t)
	w.run()
	const stalled = `gitover_reconciles_total{kind="PgUpgrade",result="Stalled"}`
	before := w.series()[stalled]
	u := w.upgrade("orders")
	w.create(u)
	eventually(t, soon, func() bool { return w.series()[stalled] > before }, func() string { return "a look that found no Kustomization is counted" })
	of := fmt.Sprintf(`name="orders",namespace="%s"`, w.namespace)
	w.scrapes(map[string]float64{fmt.Sprintf(`gitover_upgrade_condition{%s,reason="SourceNotFound",status="False",type="Ready"}`, of): 1})
	k, g := w.fleet(u)
	w.createWithStatus(k)
	w.create(g)
	// the reason that was is no series any more
	w.scrapes(map[string]float64{fmt.Sprintf(`gitover_upgrade_condition{%s,reason="FluxPending",status="False",type="Ready"}`, of): 1}, `reason="SourceNotFound"`)
}

// TestWhatIsRegisteredIsWhatIsDescribed so that docs and dashboards are held against what Prometheus gets.
func TestWhatIsRegisteredIsWhatIsDescribed(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics.Register(registry)
	registry.MustRegister(&metrics.Collector{})
	metrics.Switch(v1alpha1.SwitchRecord{Outcome: "Switched", HeldAt: &metav1.MicroTime{}, HeldMicroseconds: 53_000, Parts: map[string]int64{"hold": 20_000}})
	metrics.Step(steps.CopyData, time.Unix(0, 0), time.Unix(16, 0))
	metrics.Step("NeverStarted", time.Time{}, time.Unix(16, 0))
	metrics.Run("Finalized")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	described := metrics.Described()
	seen := map[string]bool{}
	for _, family := range families {
		seen[family.GetName()] = true
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
				if l.GetValue() == "NeverStarted" {
					t.Error("a step whose start isn't known was counted")
				}
			}
			want := slices.Sorted(slices.Values(described[family.GetName()]))
			if !slices.Equal(labels, want) {
				t.Errorf("%s has labels %v, described are %v", family.GetName(), labels, want)
			}
		}
	}
	for _, name := range []string{"gitover_switch_held_seconds", "gitover_switch_part_seconds", "gitover_switches_total", "gitover_step_seconds", "gitover_runs_total"} {
		if !seen[name] {
			t.Errorf("%s isn't among the metrics: %v", name, slices.Sorted(maps.Keys(seen)))
		}
	}
}
