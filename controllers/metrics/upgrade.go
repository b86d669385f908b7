package metrics

import (
	"cmp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

var (
	upgradeInfo = newGauge("gitover_upgrade_info", "1 for each PgUpgrade, with what it does.",
		"version", "from", "to", "workflow", "step")
	upgradeCondition = newGauge("gitover_upgrade_condition", "1 for each condition of a PgUpgrade, with its status and reason.",
		"type", "status", "reason")
	upgradeStepStart     = newGauge("gitover_upgrade_step_start_timestamp_seconds", "When the step in progress began.", "step")
	upgradeLag           = newGauge("gitover_upgrade_lag_bytes", "WAL that the side that follows has not confirmed.")
	upgradeDelay         = newGauge("gitover_upgrade_lag_seconds", "Time by which the side that follows applies changes later, while it is connected.")
	upgradeLagAt         = newGauge("gitover_upgrade_lag_timestamp_seconds", "When the lag was measured.")
	upgradeRetained      = newGauge("gitover_upgrade_retained_wal_bytes", "WAL that the publishing side keeps for the side that follows.")
	upgradeRetainMax     = newGauge("gitover_upgrade_retained_wal_limit_bytes", "spec.limits.retainedWAL; 0: none.")
	upgradeCopied        = newGauge("gitover_upgrade_copy_bytes", "Bytes of tables that the initial copy has copied.")
	upgradeToCopy        = newGauge("gitover_upgrade_copy_total_bytes", "Bytes of tables that the initial copy has to copy.")
	upgradeRate          = newGauge("gitover_upgrade_copy_bytes_per_second", "Pace of the initial copy, from its start on.")
	upgradeFailures      = newGauge("gitover_upgrade_copy_failures", "Failures of the initial copy, which PostgreSQL tries again.")
	upgradeFindings      = newGauge("gitover_upgrade_findings", "Findings of the preflight that are not acknowledged.", "severity")
	upgradeCheckFailures = newGauge("gitover_upgrade_analysis_check_failures", "Failures in a row of a check of the soak.", "check")
	upgradeCheck         = newGauge("gitover_upgrade_analysis_check_info", "1 for each check of the soak, with its verdict.", "check", "verdict")
)

// severities of findings, as the metric has them.
var severities = []string{"Block", "Warn", "Info"}

func collectUpgrade(u *v1alpha1.PgUpgrade, to chan<- prometheus.Metric) {
	s := &u.Status
	upgradeInfo.to(to, u, 1, s.Version, s.From, s.To, s.Workflow, s.Step)
	conditionsOf(upgradeCondition, u, s.Conditions, to)
	upgradeRetainMax.to(to, u, float64(steps.RetainedLimit(u)))
	if s.Workflow == "" {
		return
	}
	for _, step := range s.Steps {
		if step.Name == s.Step && step.StartedAt != nil {
			upgradeStepStart.to(to, u, seconds(step.StartedAt), step.Name)
		}
	}
	upgradeRetained.to(to, u, float64(s.RetainedBytes))
	if l := s.Lag; l != nil {
		upgradeLag.to(to, u, float64(l.Bytes))
		upgradeLagAt.to(to, u, seconds(&l.At))
		if l.DelayMilliseconds != nil {
			upgradeDelay.to(to, u, float64(*l.DelayMilliseconds)/1000)
		}
	}
	if c := s.Copy; c != nil {
		upgradeCopied.to(to, u, float64(c.BytesCopied))
		upgradeToCopy.to(to, u, float64(c.BytesTotal))
		upgradeRate.to(to, u, float64(c.BytesPerSecond))
		upgradeFailures.to(to, u, float64(c.Failures))
	}
	collectAnalysis(u, to)
	found := map[string]int32{}
	for _, f := range s.Findings {
		if !f.Acknowledged {
			found[f.Severity] += cmp.Or(f.Count, 1)
		}
	}
	for _, severity := range severities {
		upgradeFindings.to(to, u, float64(found[severity]), strings.ToLower(severity))
	}
}

func collectAnalysis(u *v1alpha1.PgUpgrade, to chan<- prometheus.Metric) {
	a := u.Status.Analysis
	if a == nil {
		return
	}
	for _, c := range a.Checks {
		upgradeCheck.to(to, u, 1, c.Name, c.Verdict)
		upgradeCheckFailures.to(to, u, float64(c.Failures), c.Name)
	}
}

// conditionsOf an object, each with the status and the reason that it has now.
func conditionsOf(g *gauge, o client.Object, conditions []metav1.Condition, to chan<- prometheus.Metric) {
	for _, c := range conditions {
		g.to(to, o, 1, c.Type, string(c.Status), c.Reason)
	}
}

func seconds(t *metav1.Time) float64 { return float64(t.UnixMilli()) / 1000 }
