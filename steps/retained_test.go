package steps

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/pg"
)

// The old side is down during a soak, or the new one after a rollback: the one that serves keeps
// WAL for it, and people hear of that before its disk is full.
func TestWALThatIsKeptForASideThatIsDownIsReported(t *testing.T) {
	server := pg.Start(t, 17, pg.Settings{"wal_level": "logical"})
	limit := resource.MustParse("1Mi")
	world := func(workflow, step, serves string) *Run {
		run := &Run{
			Upgrade: &v1alpha1.PgUpgrade{}, Proxy: aProxy(serves, serves, ""), Now: time.Now, Git: branch{untouched{t}, serves},
			Status: &v1alpha1.PgUpgradeStatus{Workflow: workflow, Step: step, From: "orders-15", To: "orders-17", Databases: []string{"postgres"}},
			Server: func(context.Context, string) (postgres.Server, error) { return server.Server, nil },
		}
		run.Upgrade.Name, run.Upgrade.Spec.Limits.RetainedWAL = "orders", &limit
		since := timestamp(time.Now().Add(-time.Hour))
		run.Proxy.Status.ActiveSince = &since
		return run
	}
	soak, decision := world(Upgrade, Soak, "orders-17"), world(RolledBack, AwaitDecision, "orders-15")
	for _, follower := range []string{"orders-15", "orders-17"} {
		if err := replication.CreateSlot(t.Context(), server.Server, "postgres", soak.Names(), follower); err != nil {
			t.Fatal(err)
		}
	}
	reasons := func(want string) {
		t.Helper()
		for _, s := range []struct {
			run  *Run
			done func(context.Context, *Run) (Verdict, error)
			calm string
		}{{soak, soakDone, v1alpha1.ReasonSoakInProgress}, {decision, awaitDecisionDone, v1alpha1.ReasonRolledBack}} {
			v, err := s.done(t.Context(), s.run)
			if err != nil {
				t.Fatal(err)
			}
			if calm := want == ""; calm && v.Reason != s.calm || !calm && v.Reason != want {
				t.Errorf("%s: %+v", s.run.Status.Step, v)
			}
		}
	}
	reasons("")
	server.Exec("", "CREATE TABLE much AS SELECT generate_series(1, 100000)")
	reasons(v1alpha1.ReasonRetainedWAL)

	over := timestamp(time.Now().Add(-48 * time.Hour))
	soak.Proxy.Status.ActiveSince = &over
	if v, err := soakDone(t.Context(), soak); err != nil || !v.Done {
		t.Errorf("the end of the soak, which frees it, doesn't come: %+v, %v", v, err)
	}
}
