package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/stress/plan"
)

// A short run, always the same one: what a long one does for hours.
func TestTwoFleetsUnderStressLoseNothing(t *testing.T) {
	if os.Getenv("GITOVER_E2E") != "1" {
		t.Skip("needs GITOVER_E2E=1 and the stage: `make cluster`")
	}
	if cluster.Existing() {
		t.Skip(cluster.ErrNoStage)
	}
	stage, err := cluster.Open(".")
	if err != nil {
		t.Fatal(err)
	}
	o := options{duration: 60 * time.Second, seed: 4, fleets: 2, rate: 60, checkEvery: 3, faults: "all", install: true, dir: t.TempDir()}
	if err := stress(t.Context(), stage, "../..", o, func(line string) { t.Log(line) }); err != nil {
		t.Fatal(err)
	}
}

func TestEveryFaultOfThePlanCanBeStruck(t *testing.T) {
	for _, fault := range plan.Faults() {
		if injectors[fault].inject == nil {
			t.Errorf("nobody knows how to %s", fault)
		}
	}
	if len(injectors) != len(plan.Faults()) {
		t.Errorf("%d injectors for %d faults", len(injectors), len(plan.Faults()))
	}
}

func TestEveryMoveSaysWhatGitoverCommits(t *testing.T) {
	for _, move := range plan.Moves {
		if _, ok := commitsOf[move]; !ok {
			t.Errorf("nobody knows what %s brings", move)
		}
	}
}

func TestTheLongestHoldIsFoundInAnAgentsLog(t *testing.T) {
	const log = `{"level":"INFO","msg":"clients continue","switch":"a","heldMilliseconds":61}
not of the agent's
{"level":"ERROR","msg":"the limit of the hold is over","switch":"b","heldMilliseconds":9702}
{"level":"INFO","msg":"clients continue","switch":"c","heldMilliseconds":83}
{"level":"INFO","msg":"something else"}`
	if longest := longestIn(log); longest != 9702 {
		t.Errorf("%v ms", longest)
	}
}

func TestTheHistoryOfAFleetLeavesTheOthersOut(t *testing.T) {
	var printed []string
	h := newHistory(func(line string) { printed = append(printed, line) })
	h.add(0, "long ago")
	since := time.Now()
	h.add(0, "mine")
	h.add(1, "another's")
	h.add(surroundings, "the API server's")
	if got := h.since(since, 0); !slices.Equal(lastWords(got), []string{"mine", "server's"}) {
		t.Errorf("the history is %q", got)
	}
	if len(printed) != 4 {
		t.Errorf("%d lines were printed", len(printed))
	}
}

func lastWords(text string) []string {
	var words []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		words = append(words, fields[len(fields)-1])
	}
	return words
}
