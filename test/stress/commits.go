package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/test/stress/plan"
)

// limits of how many commits of a step a move may bring: no more, no less.
type limits struct{ least, most int }

// commitsOf each move, as docs/concepts.md has the workflows. An abort may come
// before the first commit, or so late that the cutover is committed and then taken back.
var commitsOf = map[plan.Move]map[string]limits{
	plan.Upgrade: {steps.CommitGreen: {1, 1}, steps.CommitCutover: {1, 1}},
	plan.Abort: {steps.CommitGreen: {0, 1}, steps.CommitRemoveGreen: {0, 1},
		steps.CommitCutover: {0, 1}, steps.CommitRollback: {0, 1}},
	plan.Revert:   {},
	plan.Rerevert: {},
	plan.Retry:    {steps.CommitCutover: {1, 1}},
	plan.TakeBack: {steps.CommitRollback: {1, 1}, steps.CommitRemoveGreen: {1, 1}},
	plan.Forget:   {steps.CommitRemoveGreen: {1, 1}},
	plan.Finalize: {steps.CommitFinalize: {1, 1}},
}

// ledgerOfCommits sums up what the moves so far may have brought.
type ledgerOfCommits map[string]limits

func (l ledgerOfCommits) expect(move plan.Move) {
	for step, n := range commitsOf[move] {
		l[step] = limits{l[step].least + n.least, l[step].most + n.most}
	}
}

// wrongCommits: Gitover made each of its commits once, and touched nothing but its own
// directory.
func (t *tenant) wrongCommits(ctx context.Context, _ plan.Place) (problems []string, err error) {
	upgrade, err := t.app.Upgrade(ctx)
	if err != nil {
		return nil, err
	}
	log, err := t.app.Repository.Log(ctx, t.app.Dir)
	if err != nil {
		return nil, err
	}
	made := map[string]int{}
	for _, c := range log {
		step := c.Trailers["Gitover-Step"]
		if step == "" || c.Trailers["Gitover-Upgrade"] != string(upgrade.UID) {
			continue
		}
		made[step]++
		if t.checkpoints.looked[c.SHA] {
			continue
		}
		files, err := t.app.Repository.Files(ctx, c.SHA)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if !strings.HasPrefix(file, t.app.Dir+"/") {
				problems = append(problems, fmt.Sprintf("commit %.8s (%s) touches %s", c.SHA, step, file))
			}
		}
		t.checkpoints.looked[c.SHA] = true
	}
	for step, n := range made {
		if want := t.checkpoints.commits[step]; n < want.least || n > want.most {
			problems = append(problems, fmt.Sprintf("%d commits of step %s instead of %d to %d", n, step, want.least, want.most))
		}
	}
	for step, want := range t.checkpoints.commits {
		if made[step] < want.least {
			problems = append(problems, fmt.Sprintf("%d commits of step %s instead of %d to %d", made[step], step, want.least, want.most))
		}
	}
	return problems, nil
}
