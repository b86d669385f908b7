package metrics

import (
	"github.com/fluxcd/pkg/runtime/conditions"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/agent/protocol"
)

var (
	proxyInfo = newGauge("gitover_proxy_info", "1 for each PgProxy, with where its traffic goes.",
		"upgrade", "target", "active")
	proxyCondition = newGauge("gitover_proxy_condition", "1 for each condition of a PgProxy, with its status and reason.",
		"type", "status", "reason")
	proxyPoolers  = newGauge("gitover_proxy_poolers", "Poolers that match the selector.")
	proxyReady    = newGauge("gitover_proxy_poolers_ready", "Poolers whose agent answers and that lead to the active instance.")
	proxyRollback = newGauge("gitover_proxy_rollback_ready", "1 if a revert returns traffic and loses nothing.")
	proxyFailures = newGauge("gitover_proxy_failed_attempts", "Attempts to reach spec.target that failed, since it last changed.")
	proxySwitch   = newGauge("gitover_proxy_switch_start_timestamp_seconds", "When the switch in progress began.", "phase")
	proxyHeld     = newGauge("gitover_proxy_held_since_timestamp_seconds", "Since when the switch in progress holds traffic.")
	proxyLastHeld = newGauge("gitover_proxy_last_switch_held_seconds", "Time that traffic was held by the last switch.", "outcome")
	proxyLastAt   = newGauge("gitover_proxy_last_switch_timestamp_seconds", "When the last switch ended.", "outcome")
)

func collectProxy(p *v1alpha1.PgProxy, to chan<- prometheus.Metric) {
	s := &p.Status
	proxyInfo.to(to, p, 1, p.Spec.UpgradeRef.Name, p.Spec.Target, s.Active)
	conditionsOf(proxyCondition, p, s.Conditions, to)
	if s.Poolers != nil {
		proxyPoolers.to(to, p, float64(s.Poolers.Total))
		proxyReady.to(to, p, float64(s.Poolers.Ready))
	}
	ready := 0.0
	if conditions.IsTrue(p, v1alpha1.RollbackReadyCondition) {
		ready = 1
	}
	proxyRollback.to(to, p, ready)
	proxyFailures.to(to, p, float64(s.FailedAttempts))
	if w := s.Switch; w != nil {
		proxySwitch.to(to, p, seconds(&w.StartedAt), w.Phase)
		if holding := w.Phase == string(protocol.PhaseHoldBegins) || w.Phase == string(protocol.PhaseSettling); holding && w.HeldSince != nil {
			proxyHeld.to(to, p, float64(w.HeldSince.UnixMicro())/1e6)
		}
	}
	if len(s.Switches) > 0 {
		last := s.Switches[0]
		proxyLastAt.to(to, p, float64(last.FinishedAt.UnixMicro())/1e6, last.Outcome)
		if last.HeldAt != nil {
			proxyLastHeld.to(to, p, float64(last.HeldMicroseconds)/1e6, last.Outcome)
		}
	}
}
