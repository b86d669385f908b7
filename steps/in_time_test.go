package steps

import (
	"context"
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/pg"
)

// twoServers are those of a run at a step, with an empty database d.
func twoServers(t *testing.T, workflow, step string) (run *Run, blue, green *pg.Server) {
	t.Helper()
	blue, green = pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	run = &Run{
		Upgrade: &v1alpha1.PgUpgrade{}, Now: time.Now,
		Status: &v1alpha1.PgUpgradeStatus{Workflow: workflow, Step: step, From: blue.Instance, To: green.Instance, Databases: []string{"d"}},
		Server: func(_ context.Context, instance string) (postgres.Server, error) {
			if instance == blue.Instance {
				return blue.Server, nil
			}
			return green.Server, nil
		},
	}
	run.Upgrade.UID = "12345678-1234-1234-1234-123456789012"
	for _, s := range []*pg.Server{blue, green} {
		s.Exec("", "CREATE DATABASE d")
	}
	return run, blue, green
}

// follow has one server follow the other in d.
func follow(t *testing.T, run *Run, publisher, subscriber *pg.Server) {
	t.Helper()
	for _, step := range []func() error{
		func() error { return replication.EnsureMarker(t.Context(), publisher.Server, "d") },
		func() error { return replication.EnsureMarker(t.Context(), subscriber.Server, "d") },
		func() error { return replication.CreatePublication(t.Context(), publisher.Server, "d", run.Names()) },
		func() error {
			return replication.CreateSlot(t.Context(), publisher.Server, "d", run.Names(), subscriber.Instance)
		},
		func() error {
			return replication.CreateSubscription(t.Context(), subscriber.Server, replication.SubscribeOptions{Publisher: publisher.Server, Database: "d", Names: run.Names()})
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
}

// The soak is over and StopReverse stored; then Git wants blue again, before anything of the
// rollback path was taken away, or after it.
func TestARevertBeforeTheRollbackPathEndsIsInTime(t *testing.T) {
	run, blue, green := twoServers(t, Upgrade, StopReverse)
	ctx := t.Context()
	run.FreshProxy = func(context.Context) (*v1alpha1.PgProxy, error) {
		return aProxy(green.Instance, blue.Instance, ""), nil
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	follow(t, run, green, blue)

	step, _ := Find(Upgrade, StopReverse)
	v, err := step.Done(ctx, run)
	must(err)
	if v.ReturnTo != Soak {
		t.Fatalf("the revert came in time, but %+v", v)
	}
	// half of the effect, as a crash leaves it
	_, err = replication.RemoveAll(ctx, green.Server, run.Names())
	must(err)
	v, err = step.Done(ctx, run)
	must(err)
	if v.ReturnTo != "" || v.Done || v.RunNeeded || v.Reason != v1alpha1.ReasonConflictingSpec {
		t.Fatalf("the rollback path has ended, but %+v", v)
	}
	// Git agrees: the rest goes
	run.FreshProxy = func(context.Context) (*v1alpha1.PgProxy, error) {
		return aProxy(green.Instance, green.Instance, ""), nil
	}
	if v, err = step.Done(ctx, run); err != nil || !v.RunNeeded {
		t.Fatalf("%+v, %v", v, err)
	}
	must(step.Run(ctx, run))
	if v, err = step.Done(ctx, run); err != nil || !v.Done {
		t.Fatalf("%+v, %v", v, err)
	}
}
