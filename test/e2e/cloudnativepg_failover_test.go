package e2e

import (
	"cmp"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/test/pg"
)

// failOver deletes the primary's pod, so that the operator promotes the standby, and returns when.
func (s *story) failOver(name string) time.Time {
	s.t.Helper()
	c, err := s.cluster(s.t.Context(), name)
	s.must(err)
	primary, _, _ := unstructured.NestedString(c.Object, "status", "currentPrimary")
	at := time.Now()
	s.must(s.app.Client.Delete(s.t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: s.app.Namespace, Name: primary}}, client.GracePeriodSeconds(0)))
	s.t.Logf("pod %s, the primary of %s, is deleted", primary, name)
	return at
}

// A failover of either side in the soak: the way back is lost, and made again by itself; then a revert leads back, with every row.
func TestAFailoverOfACloudNativePGClusterInTheSoakCostsNoWayBack(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	s := operated(t, "promoted")
	before := s.fingerprint("orders-15")
	s.merge("17")
	s.awaitSoak("orders-17")
	for _, instance := range []string{"orders-17", "orders-15"} {
		s.awaitRollbackPath()
		at := s.failOver(instance)
		s.must(s.app.AwaitProxy(t.Context(), time.Minute, "RollbackReady is False", func(p *v1alpha1.PgProxy) bool {
			return meta.IsStatusConditionFalse(p.Status.Conditions, v1alpha1.RollbackReadyCondition)
		}))
		lost := meta.FindStatusCondition(s.proxy().Status.Conditions, v1alpha1.RollbackReadyCondition)
		if took := time.Since(at); took > 10*time.Second { // 5 s on a machine that does nothing else
			t.Errorf("RollbackReady of %s was True for %v after the failover", instance, took)
		}
		t.Logf("%s: RollbackReady is False %v after the failover: %s", instance, time.Since(at).Round(100*time.Millisecond), lost.Message)
		s.must(s.app.AwaitUpgrade(t.Context(), 5*time.Minute, "the failover is noticed", func(u *v1alpha1.PgUpgrade) bool {
			return u.Status.Failover != nil && u.Status.Failover.Instance == instance
		}))
		s.must(s.app.AwaitUpgrade(t.Context(), 5*time.Minute, "it is recovered from", func(u *v1alpha1.PgUpgrade) bool { return u.Status.Failover == nil }))
		s.awaitRollbackPath()
		t.Logf("%s: RollbackReady is True again %v after the failover", instance, time.Since(at).Round(100*time.Millisecond))
		s.awaitCluster(instance, 3*time.Minute)
	}
	s.revert(s.newest("CommitCutover"))
	s.awaitRolledBack("orders-15")
	s.same(before, "orders-15")
}

// stepsToFailAt are those of an upgrade in which both clusters are there, in their order.
var stepsToFailAt = []string{steps.PreflightGreen, steps.CopyRoles, steps.CopySchema, steps.Publish, steps.CopyData, steps.CatchUp, steps.Verify, steps.Approve,
	steps.CommitCutover, steps.AwaitSwitch, steps.Soak}

// reached is true of an upgrade that is at a step or past it.
func reached(step string) func(*v1alpha1.PgUpgrade) bool {
	return func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Workflow == steps.Upgrade && slices.Index(stepsToFailAt, u.Status.Step) >= slices.Index(stepsToFailAt, step)
	}
}

// chance is one's own, or that of an earlier run by GITOVER_SEED.
func chance(t *testing.T) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("GITOVER_SEED"), strconv.FormatUint(rand.Uint64()>>1, 10)), 10, 64)
	if err != nil {
		t.Fatalf("GITOVER_SEED: %v", err)
	}
	t.Logf("GITOVER_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Five upgrades, each with a failover of either side at any step, each returned by a revert: clients see what the operator's own
// failover costs them, and no confirmed write is lost, doubled or split.
func TestFailoversOfCloudNativePGClustersAtAnyStepLoseNothing(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	random := chance(t)
	s := operated(t, "unlucky").withClients()
	// a standby that is promoted skips values of sequences, as PostgreSQL's do after a crash: rows are what must be as they were
	before := slices.DeleteFunc(s.fingerprint("orders-15"), func(line string) bool { return !strings.Contains(line, " rows, ") })
	for run := 1; run <= 5; run++ {
		step, instance := stepsToFailAt[random.IntN(len(stepsToFailAt))], []string{"orders-15", "orders-17"}[random.IntN(2)]
		t.Logf("run %d: a failover of %s at %s", run, instance, step)
		merge := s.merge("17")
		s.must(s.app.AwaitUpgrade(t.Context(), 10*time.Minute, step+" or later", reached(step)))
		if instance == "orders-17" {
			s.awaitCluster(instance, 3*time.Minute)
		}
		s.failOver(instance)
		s.must(s.app.AwaitUpgrade(t.Context(), 15*time.Minute, "the soak", reached(steps.Soak)))
		s.must(s.app.AwaitUpgrade(t.Context(), 5*time.Minute, "nothing to recover from", func(u *v1alpha1.PgUpgrade) bool { return u.Status.Failover == nil }))
		s.must(s.app.AwaitRollbackPath(t.Context(), 5*time.Minute))
		s.awaitCluster("orders-15", 3*time.Minute)
		s.awaitCluster("orders-17", 3*time.Minute)
		s.same(before, "orders-17")
		s.revert(merge)
		s.awaitHistory("RolledBack")
		s.clusterGone("orders-17", "17")
		s.awaitCluster("orders-15", time.Minute)
		s.same(before, "orders-15")
	}
	s.cleanOn("orders-15")
	report, err := s.traffic.Check(t.Context(), "orders-15", 10)
	s.must(err)
	if !report.OK() || report.Acknowledged == 0 {
		t.Errorf("the ledger does not balance: %+v", report)
	}
	transactions, failed, cut := s.traffic.Count()
	t.Logf("%d transactions, %d failed and %d sessions were cut: %q", transactions, failed, cut, s.traffic.Errors(5))
}
