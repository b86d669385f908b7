package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
	"github.com/gitover/gitover/test/pg"
)

// operated founds a database of two servers that the operator runs, with data.
func operated(t *testing.T, namespace string) *story {
	t.Helper()
	w, err := testenv.New(stage, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	if err := running.AddCloudNativePG(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.AwaitDeployment(t.Context(), "cnpg-system", "cnpg-controller-manager", 3*time.Minute); err != nil {
		t.Fatal(err)
	}
	s := &story{t: t, version: "15", app: found(t, testenv.AppOptions{
		Namespace: namespace, Over: filepath.Join(stage.Checkout, "examples", "cloudnativepg"), ServiceSuffix: "-rw", SaltedByOthers: true,
	})}
	s.awaitCluster("orders-15", 5*time.Minute)
	s.must(s.app.FoundDatabases(t.Context(), "orders-15"))
	s.must(s.app.SeedAwkward(t.Context(), "orders-15"))
	s.must(s.app.AwaitEndpoint(t.Context(), 5*time.Minute))
	s.must(s.app.AwaitActive(t.Context(), time.Minute, "orders-15"))
	return s
}

// withClients has clients write from now on.
func (s *story) withClients() *story {
	s.t.Helper()
	traffic, err := s.app.StartTraffic(s.t.Context(), ledger.Config{Clients: 4, Rate: 40})
	s.must(err)
	s.traffic = traffic
	s.t.Cleanup(func() { _ = traffic.Stop() }) // lostNothing reports
	return s
}

// cluster of the operator, as it is now.
func (s *story) cluster(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	c := &unstructured.Unstructured{}
	c.SetAPIVersion("postgresql.cnpg.io/v1")
	c.SetKind("Cluster")
	return c, s.app.Client.Get(ctx, client.ObjectKey{Namespace: s.app.Namespace, Name: name}, c)
}

// awaitCluster until the operator says that it is healthy, with both servers.
func (s *story) awaitCluster(name string, patience time.Duration) {
	s.t.Helper()
	s.must(s.app.Await(s.t.Context(), patience, "Cluster "+name, func(ctx context.Context) (bool, string, error) {
		c, err := s.cluster(ctx, name)
		if apierrors.IsNotFound(err) {
			return false, "not there yet", nil
		}
		if err != nil {
			return false, "", err
		}
		phase, _, _ := unstructured.NestedString(c.Object, "status", "phase")
		reason, _, _ := unstructured.NestedString(c.Object, "status", "phaseReason")
		ready, _, _ := unstructured.NestedInt64(c.Object, "status", "readyInstances")
		return phase == "Cluster in healthy state" && ready == 2, fmt.Sprintf("%s %s, %d servers ready", phase, reason, ready), nil
	}))
}

// clusterGone: the operator's object, its pods and its volumes.
func (s *story) clusterGone(name, version string) {
	s.t.Helper()
	s.must(s.app.Await(s.t.Context(), 3*time.Minute, "Cluster "+name+" goes", func(ctx context.Context) (bool, string, error) {
		_, err := s.cluster(ctx, name)
		return apierrors.IsNotFound(err), "it is there", client.IgnoreNotFound(err)
	}))
	s.isGoneFrom(name, "instances/"+version)
}

// A cluster of CloudNativePG, with a standby, goes to the next version and back as any other instance; the operator finds
// nothing wrong in the end.
func TestACloudNativePGClusterIsUpgradedRolledBackAndKept(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	s := operated(t, "operated").withClients()
	before := s.fingerprint("orders-15")
	s.merge("17")
	s.awaitSoak("orders-17")
	s.thereAndBack("orders-15", "orders-17")
	s.awaitCluster("orders-15", time.Minute)
	s.awaitCluster("orders-17", time.Minute)
	s.keep("17")
	s.clusterGone("orders-15", "15")
	s.awaitCluster("orders-17", time.Minute)
	s.cleanOn("orders-17")
	s.same(before, "orders-17")
	s.lostNothing("orders-17", 3)
}
