package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/pg"
)

// A person has `gitover init` write what adopts a running database, adds the base, commits, and asks what an upgrade would do.
// How long that took is told: minutes are promised.
func TestInitAdoptsARunningDatabaseAndPlanTellsOfItsUpgrade(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	examples := filepath.Join(stage.Checkout, "examples")
	s := &story{t: t, version: "15", app: found(t, testenv.AppOptions{Namespace: "init", Source: filepath.Join(examples, "adopt", "before"), Adopted: map[string]string{"postgres": "orders-legacy"}})}
	s.must(s.app.AwaitStatefulSet(t.Context(), "postgres", 5*time.Minute))
	s.must(s.app.FoundDatabases(t.Context(), "postgres"))
	s.must(s.app.AwaitEndpoint(t.Context(), 5*time.Minute))

	begun := time.Now()
	_, err := s.app.Merge(t.Context(), "adopt", "Let Gitover look after the database", fleet.All(func(string) error {
		t.Log(s.gitover("init", "orders", "--path", s.app.Dir, "--push-secret", "fleet-push"))
		t.Logf("init took %v", time.Since(begun).Round(time.Millisecond))
		return nil
	}, fleet.Copy(filepath.Join(examples, "fleet", "apps", "orders", "base"), s.app.Dir+"/base", func(file, content string) (string, string) {
		return testenv.AppOptions{}.Adapt(s.app.Dir, file, content)
	})))
	s.must(err)
	s.must(s.app.AwaitActive(t.Context(), 5*time.Minute, "orders-legacy"))
	t.Logf("Ready %v after init was called", time.Since(begun).Round(time.Second))

	begun = time.Now()
	address, err := s.app.Address(t.Context(), "postgres") // as a forwarded port would be
	s.must(err)
	plan := s.gitover("plan", "orders", "--to", "17", "--from", "postgres://postgres@"+address+"/postgres?sslmode=disable")
	t.Logf("plan took %v", time.Since(begun).Round(time.Millisecond))
	for _, want := range []string{s.app.Dir + "/instances/17/kustomization.yaml", "orders-17"} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan doesn't tell of %s:\n%s", want, plan)
		}
	}
}

// gitover is called in the team's checkout.
func (s *story) gitover(args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(stage.Checkout, ".cache", "bin", "gitover"), append(args, "-n", s.app.Namespace, "--kubeconfig", stage.Kubeconfig)...)
	cmd.Dir = s.app.Repository.Dir()
	cmd.Env = append(cmd.Environ(), "PGPASSWORD="+s.app.SuperuserSecret()["password"])
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("gitover %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
