package matrix

import (
	"maps"
	"slices"
	"strings"

	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/switchover"
)

// cell is one crash: where, and when. A switch has its cells once for each direction.
type cell struct {
	// story in which it happens.
	story string
	// point as the controller names it.
	point string
}

// The stories. Each takes its cells from the tables.
const (
	life   = "life"   // an upgrade, to the end of the old server
	regret = "regret" // given up, aborted; then cut over and rolled back
	forth  = "forth"  // cutovers, up to the decision
	back   = "back"   // rollbacks, up to the decision
	beyond = "beyond" // cutovers, from the decision on
	behind = "behind" // rollbacks, from the decision on
)

// impossible cells, and why.
var impossible = map[string]string{
	"RolledBack/AwaitDecision/after": "it is never done: the next word, a human's, ends it",
}

// storyOf a workflow; empty for one that no story tells yet.
func storyOf(workflow string) string {
	switch workflow {
	case steps.Upgrade:
		return life
	case steps.RevertCutover, steps.RolledBack, steps.Abort, steps.Rollback:
		return regret
	}
	return ""
}

// decided says whether a part or phase belongs to the time from the decision on.
func decided(part string) bool {
	after := slices.Index(switchover.Points, switchover.PointDecide)
	return slices.Index(switchover.Points, switchover.Point(part)) >= after || part == string(protocol.PhaseFinishing) || part == record
}

// record is where the controller writes a switch that is done into the status.
const record = "Record"

// cells of the whole matrix.
func cells() []cell {
	var all []cell
	for _, workflow := range slices.Sorted(maps.Keys(steps.Workflows)) {
		for _, step := range steps.Workflows[workflow] {
			whens := []string{"before", "during", "after"}
			if step.Run == nil {
				whens = []string{"before", "after"}
			}
			for _, when := range whens {
				point := workflow + "/" + step.Name + "/" + when
				if _, not := impossible[point]; !not {
					all = append(all, cell{storyOf(workflow), point})
				}
			}
		}
	}
	for _, step := range slices.Sorted(maps.Keys(steps.Moments)) {
		for _, when := range []string{"before", "during", "after"} {
			all = append(all, cell{life, strings.Join([]string{steps.Upgrade, step, steps.HookEffect, when}, "/")})
		}
	}
	add := func(part string, whens ...string) {
		for _, when := range whens {
			early, late := forth, beyond
			for range 2 {
				story := early
				if decided(part) && part+"/"+when != "Decide/before" {
					story = late
				}
				all = append(all, cell{story, "switch/" + part + "/" + when})
				early, late = back, behind
			}
		}
	}
	for _, phase := range protocol.Phases {
		add(string(phase), "before", "after")
	}
	for _, point := range slices.Concat(switchover.Preparations, switchover.Points) {
		add(string(point), "before", "during", "after")
	}
	add(record, "before")
	return all
}

// pointsOf a story.
func pointsOf(story string) []string {
	var points []string
	for _, c := range cells() {
		if c.story == story {
			points = append(points, c.point)
		}
	}
	return points
}

// holds says whether traffic may be held at a point, so that nobody may linger there.
func holds(point string) bool {
	part := strings.Split(point, "/")
	return part[0] == "switch" && part[1] != string(protocol.PhasePreparing) && !slices.Contains(switchover.Preparations, switchover.Point(part[1]))
}
