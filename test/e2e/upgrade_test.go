package e2e

import (
	"testing"
	"time"

	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/pg"
)

// The whole life of a database: an upgrade, a change of mind, another change of mind, the
// end of the old server, and the next version after that.
func TestAnUpgradeIsRolledBackByARevertCutOverAgainAndFinished(t *testing.T) {
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "life"})
	before := s.fingerprint("orders-15")

	s.merge("17")
	s.awaitSoak("orders-17")

	cutover := s.newest("CommitCutover")
	s.touchesOnly(cutover, "apps/life/proxy.yaml")
	s.awaitRollbackPath()
	s.onlyGitMovesTraffic("orders-15", "orders-17")
	revert := s.revert(cutover)
	s.awaitRolledBack("orders-15")

	s.awaitRollbackPath()
	s.revert(revert)
	s.awaitSoak("orders-17")

	s.keep("17")
	s.isGone("orders-15", "15")
	s.cleanOn("orders-17")
	s.same(before, "orders-17")

	// The soak of the next upgrade is short and ends by itself.
	s.edit("Soak for ten seconds", "    duration: 24h\n    finalizedVersion: \"17\"\n", "    duration: 10s\n")
	s.merge("19")
	s.awaitFinished("19")
	s.isGone("orders-17", "17")
	s.cleanOn("orders-19")
	s.same(before, "orders-19")
	s.lostNothing("orders-19", 4)
}

func TestADowngradeWorksTheSameWay(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "down", Version: "17"})
	before := s.fingerprint("orders-17")
	s.merge("15")
	s.awaitSoak("orders-15")
	s.awaitRollbackPath()
	revert := s.revertUnseen(s.newest("CommitCutover"), "orders-17")
	s.awaitRolledBack("orders-17")
	s.awaitRollbackPath()
	s.revert(revert)
	s.awaitSoak("orders-15")
	s.keep("15")
	s.isGone("orders-17", "17")
	s.cleanOn("orders-15")
	s.same(before, "orders-15")
	s.lostNothing("orders-15", 3)
}

func TestRevertingTheVersionBeforeTheCutoverLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "abort", Change: manual})
	merge := s.merge("17")
	s.awaitStep("Approve", 10*time.Minute)
	s.revert(merge)
	s.awaitHistory("Aborted")
	s.isGone("orders-17", "17")
	s.cleanOn("orders-15")
	if p := s.proxy(); p.Status.Active != "orders-15" || len(p.Status.Switches) != 0 {
		t.Errorf("traffic was moved: active %q, %d switches", p.Status.Active, len(p.Status.Switches))
	}
	s.lostNothing("orders-15", 0)

	// The same version may be asked for again later.
	s.merge("17")
	s.awaitStep("Approve", 10*time.Minute)
}

// A revert of the version, here of a downgrade, after the cutover first brings the traffic back.
func TestRevertingTheVersionDuringTheSoakRollsBackAndRemovesGreen(t *testing.T) {
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "regret", Version: "17"})
	before := s.fingerprint("orders-17")
	merge := s.merge("15")
	s.awaitSoak("orders-15")
	s.awaitRollbackPath()
	s.same(before, "orders-15")
	s.revert(merge)
	s.awaitHistory("RolledBack")
	s.isGone("orders-15", "15")
	s.cleanOn("orders-17")
	s.lostNothing("orders-17", 2)
}
