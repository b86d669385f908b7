package controllers

import (
	"cmp"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"

	"github.com/gitover/gitover/api/v1alpha1"
)

// setStepMessage notes what the current step does or waits for.
func setStepMessage(status *v1alpha1.PgUpgradeStatus, message string) {
	for i := range status.Steps {
		if status.Steps[i].Name == status.Step {
			status.Steps[i].Message = message
		}
	}
}

func started(status *v1alpha1.PgUpgradeStatus, step string) time.Time {
	for _, s := range status.Steps {
		if s.Name == step && s.StartedAt != nil {
			return s.StartedAt.Time
		}
	}
	return time.Time{}
}

// annotations let Flux's alerts carry the commit that an event is about.
func annotations(status *v1alpha1.PgUpgradeStatus) map[string]string {
	if len(status.Commits) == 0 {
		return nil
	}
	return map[string]string{v1alpha1.RevisionAnnotation: "sha1:" + status.Commits[len(status.Commits)-1].SHA}
}

// showReplication sets the Replicating condition from the steps.
func showReplication(upgrade *v1alpha1.PgUpgrade, s *observed) {
	status := &upgrade.Status
	if f := status.Failover; f != nil {
		conditions.MarkFalse(upgrade, v1alpha1.ReplicatingCondition, v1alpha1.ReasonPrimaryReplaced, "%s", f.Message)
		return
	}
	if status.Lag == nil {
		conditions.MarkFalse(upgrade, v1alpha1.ReplicatingCondition, v1alpha1.ReasonNotReplicating, "nothing follows %s", cmp.Or(s.facts.Active, "yet"))
		return
	}
	conditions.MarkTrue(upgrade, v1alpha1.ReplicatingCondition, v1alpha1.ReasonReplicating, "lag %s at %s", status.Lag.Display, status.Lag.At.UTC().Format("15:04:05 UTC"))
}
