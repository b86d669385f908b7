package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/pg"
)

// physically copies an app's data by its data directory.
func physically(file, content string) string {
	return testenv.CopyBy(v1alpha1.CopyPhysical)(file, content)
}

// withoutRowTypes drops the columns that can't be copied physically.
func (s *story) withoutRowTypes(instance string) {
	s.t.Helper()
	for _, database := range testenv.Databases {
		s.must(s.app.Run(s.t.Context(), instance, database, "ALTER TABLE IF EXISTS awkward.customer DROP COLUMN balance"))
	}
}

// A physical copy changes how the rows get to the new version, and nothing else: the cutover is reverted, made again and kept.
func TestAnUpgradeByAPhysicalCopyIsRolledBackByARevertAndCutOverAgain(t *testing.T) {
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "physical", Change: physically})
	s.withoutRowTypes("orders-15")
	before := s.fingerprint("orders-15")
	s.merge("17")
	s.awaitSoak("orders-17")
	s.must(s.app.AwaitUpgrade(t.Context(), time.Minute, "its method", func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.CopyMethod != nil && u.Status.CopyMethod.Method == v1alpha1.CopyPhysical
	}))
	s.thereAndBack("orders-15", "orders-17")
	s.keep("17")
	s.isGone("orders-15", "15")
	s.cleanOn("orders-17")
	s.same(before, "orders-17")
	s.lostNothing("orders-17", 3)
}

// Taken back while the Job is at work: neither claim nor Job, slot nor publication stays, and Git has seen nothing.
func TestRevertingTheVersionDuringAPhysicalCopyLeavesNothingBehind(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "regretted", Change: physically})
	s.withoutRowTypes("orders-15")
	merge := s.merge("17")
	s.awaitStep("Seed", 10*time.Minute)
	s.revert(merge)
	s.awaitHistory("Aborted")
	s.isGone("orders-17", "17")
	s.cleanOn("orders-15")
	claims, err := s.app.Claims(t.Context(), "orders-17")
	s.must(err)
	if len(claims) > 0 {
		t.Errorf("claims are left: %s", strings.Join(claims, ", "))
	}
	s.lostNothing("orders-15", 0)
}
