package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

// A server and a pooler that knew nothing of Gitover, and clients that never notice that
// they are adopted, upgraded, and rid of the old server.
func TestADatabaseThatRanBeforeIsAdoptedAndUpgraded(t *testing.T) {
	t.Parallel()
	examples := filepath.Join(stage.Checkout, "examples")
	s := &story{t: t, version: "15", app: found(t, testenv.AppOptions{Namespace: "adopted", Source: filepath.Join(examples, "adopt", "before"), Adopted: map[string]string{"postgres": "orders-legacy"}})}
	s.must(s.app.AwaitStatefulSet(t.Context(), "postgres", 5*time.Minute))
	s.must(s.app.FoundDatabases(t.Context(), "postgres"))
	s.must(s.app.SeedAwkward(t.Context(), "postgres"))
	s.must(s.app.AwaitEndpoint(t.Context(), 5*time.Minute))
	before := s.fingerprint("postgres")
	var err error
	s.traffic, err = s.app.StartTraffic(t.Context(), ledger.Config{Clients: 4, Rate: 40, Lifetime: 5 * time.Second})
	s.must(err)
	t.Cleanup(func() { _ = s.traffic.Stop() }) // lostNothing reports

	adapted := func(file, content string) (string, string) {
		return testenv.AppOptions{KeepWAL: true}.Adapt(s.app.Dir, file, content)
	}
	_, err = s.app.Merge(t.Context(), "adopt", "Let Gitover look after the database", fleet.All(
		fleet.Copy(filepath.Join(examples, "adopt", "after"), s.app.Dir, adapted),
		fleet.Copy(filepath.Join(examples, "fleet", "apps", "orders", "base"), s.app.Dir+"/base", adapted)))
	s.must(err)
	s.must(s.app.AwaitActive(t.Context(), 5*time.Minute, "orders-legacy"))
	s.must(s.app.AwaitDeployment(t.Context(), s.app.Namespace, "pgbouncer", 5*time.Minute))

	s.merge("17")
	s.awaitSoak("orders-17")
	s.thereAndBack("orders-legacy", "orders-17")
	s.keep("17")
	s.isGoneFrom("postgres", "legacy")
	s.cleanOn("orders-17")
	s.same(before, "orders-17")
	s.lostNothing("orders-17", 3)
}
