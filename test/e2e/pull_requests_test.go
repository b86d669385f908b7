package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// proposes has Gitover push to branches of its own.
func proposes(_, content string) string {
	const push = "    pushSecretRef:\n      name: fleet-push\n"
	return strings.Replace(content, push, push+"    push:\n      branch: gitover/{{ .Upgrade }}/{{ .Step }}-{{ .Attempt }}\n", 1)
}

// proposed is the branch that waits for a step.
func (s *story) proposed(step string) string {
	s.t.Helper()
	var branch string
	s.must(s.app.AwaitUpgrade(s.t.Context(), 15*time.Minute, "a branch for "+step, func(u *v1alpha1.PgUpgrade) bool {
		if p := u.Status.Proposal; p != nil && p.Step == step && testenv.Says("WaitingForMerge", p.Branch)(u) {
			branch = p.Branch
		}
		return branch != ""
	}))
	return branch
}

// Nothing of Gitover's reaches main but by people's merges, and the merge button moves traffic.
func TestAnUpgradeGoesByPullRequests(t *testing.T) {
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "reviewed", Git: ownRepository(t, "reviewed"), Change: proposes})
	ctx := t.Context()
	squash := func(step, message string) {
		t.Helper()
		_, err := s.app.Repository.SquashBranch(ctx, s.proposed(step), message)
		s.must(err)
		s.must(s.app.TellFlux(ctx))
	}
	s.merge("17")
	squash("CommitGreen", "Try PostgreSQL 17 (#2)")

	branch := s.proposed("CommitCutover")
	if p := s.proxy(); p.Status.Active != "orders-15" || p.Spec.Target != "orders-15" {
		t.Errorf("traffic was moved without a merge: %+v", p.Status)
	}
	_, err := s.app.Repository.MergeBranch(ctx, branch)
	s.must(err)
	s.must(s.app.TellFlux(ctx))
	s.awaitSoak("orders-17")

	s.thereAndBack("orders-15", "orders-17")

	s.edit("Keep PostgreSQL 17", "    duration: 24h\n", "    duration: 24h\n    finalizedVersion: \"17\"\n")
	squash("CommitFinalize", "Remove PostgreSQL 15 (#4)")
	s.awaitFinished("17")
	s.isGone("orders-15", "15")
	s.cleanOn("orders-17")
	s.lostNothing("orders-17", 3)
}
