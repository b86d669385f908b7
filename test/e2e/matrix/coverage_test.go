package matrix

import (
	"slices"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/switchover"
)

func TestEveryStepAndEveryPartOfASwitchHasItsCells(t *testing.T) {
	all := cells()
	for _, c := range all {
		if !slices.Contains([]string{life, regret, forth, back, beyond, behind}, c.story) {
			t.Errorf("no story tells %s: say in storyOf which does", c.point)
		}
	}
	count := func(prefix string) (n int) {
		for _, c := range all {
			if strings.HasPrefix(c.point, prefix) {
				n++
			}
		}
		return n
	}
	for workflow, table := range steps.Workflows {
		for _, step := range table {
			want := 3
			if step.Run == nil {
				want = 2
			}
			if _, not := impossible[workflow+"/"+step.Name+"/after"]; not {
				want--
			}
			if workflow == steps.Upgrade && steps.Moments[step.Name] != nil {
				want += 3 // those of its hooks
			}
			if have := count(workflow + "/" + step.Name + "/"); have != want {
				t.Errorf("%s/%s has %d cells instead of %d", workflow, step.Name, have, want)
			}
		}
	}
	for _, point := range slices.Concat(switchover.Preparations, switchover.Points) {
		if have := count("switch/" + string(point) + "/"); have != 6 {
			t.Errorf("part %s of a switch has %d cells instead of 3 for each direction", point, have)
		}
	}
	for _, phase := range protocol.Phases {
		if have := count("switch/" + string(phase) + "/"); have != 4 {
			t.Errorf("phase %s of a switch has %d cells instead of 2 for each direction", phase, have)
		}
	}
	seen := map[cell]bool{}
	for _, c := range all {
		if seen[c] {
			t.Errorf("%s has the cell %s twice", c.story, c.point)
		}
		seen[c] = true
	}
	t.Logf("%d cells", len(all))
}
