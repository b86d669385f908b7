package screen

import (
	"slices"

	"github.com/fluxcd/pkg/runtime/conditions"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

// chapters of the upgrade, each up to the step that it ends with.
var chapters = []struct{ name, last string }{
	{"Prepare", steps.Publish}, {"Copy", steps.Verify}, {"Cut over", steps.AwaitPruned},
}

// phases of the run in progress. Of an upgrade: its steps by chapter. Of another workflow: what had begun before, then its steps.
func phases(u *v1alpha1.PgUpgrade) []Phase {
	s := &u.Status
	table := steps.Workflows[s.Workflow]
	if s.Workflow == steps.Upgrade {
		var all []Phase
		for _, c := range chapters {
			phase := Phase{Name: c.name}
			_, last := steps.Find(steps.Upgrade, c.last)
			_, first := steps.Find(steps.Upgrade, previous(all))
			for i := first + 1; i <= last; i++ {
				if table[i].Name == steps.Seed && !copiesPhysically(s) {
					continue // it does nothing
				}
				phase.Steps = append(phase.Steps, course(u, table[i].Name, i))
			}
			all = append(all, phase)
		}
		return all
	}
	before := Phase{Name: "Before"}
	for _, row := range s.Steps {
		if step, _ := steps.Find(s.Workflow, row.Name); step == nil {
			before.Steps = append(before.Steps, Step{Name: row.Name, State: Done, StartedAt: row.StartedAt, FinishedAt: row.FinishedAt, Message: row.Message})
		}
	}
	present := Phase{Name: s.Workflow}
	for i := range table {
		present.Steps = append(present.Steps, course(u, table[i].Name, i))
	}
	if len(before.Steps) == 0 {
		return []Phase{present}
	}
	return []Phase{before, present}
}

// copies says whether a step copies data, so that status.copy is its progress.
func copies(step string) bool { return step == steps.CopyData || step == steps.Seed }

// copiesPhysically, or tried to.
func copiesPhysically(s *v1alpha1.PgUpgradeStatus) bool {
	return s.CopyMethod != nil && (s.CopyMethod.Method == v1alpha1.CopyPhysical || s.CopyMethod.Failed)
}

func previous(all []Phase) string {
	if len(all) == 0 {
		return ""
	}
	last := all[len(all)-1].Steps
	return last[len(last)-1].Name
}

// course of a step, which is the i-th row of the workflow in progress. What was passed without having been recorded is done: a
// workflow may begin in its middle.
func course(u *v1alpha1.PgUpgrade, name string, i int) Step {
	s := &u.Status
	step := Step{Name: name, State: Todo}
	_, at := steps.Find(s.Workflow, s.Step)
	switch {
	case i == at:
		step.State = Running
		if conditions.IsStalled(u) || u.Spec.Suspend || slices.Contains(waits, conditions.GetReason(u, v1alpha1.ReadyCondition)) {
			step.State = Waiting
		}
	case i < at:
		step.State = Done
	}
	for _, row := range s.Steps {
		if row.Name == name && step.State != Todo {
			step.StartedAt, step.FinishedAt, step.Message = row.StartedAt, row.FinishedAt, row.Message
		}
	}
	return step
}

// waits are reasons for which a step waits for people or clocks, without being stalled.
var waits = []string{v1alpha1.ReasonWaitingForApproval, v1alpha1.ReasonWaitingForMerge, v1alpha1.ReasonOutsideWindow, v1alpha1.ReasonFrozen, v1alpha1.ReasonRolledBack, v1alpha1.ReasonSoakInProgress,
	v1alpha1.ReasonWaitingForSoak, v1alpha1.ReasonClockSkew}
