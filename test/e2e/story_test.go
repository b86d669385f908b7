package e2e

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
)

// holdLimit is what PgProxy promises by default, on any machine.
const holdLimit = 10 * time.Second

// story is one team's: its database, its clone of the repository, its clients.
type story struct {
	t       *testing.T
	app     *testenv.App
	version string
	traffic *testenv.Traffic
}

// manual closes the gate before the cutover.
func manual(_, content string) string {
	return strings.Replace(content, "approval: Automatic", "approval: Manual", 1)
}

// begin founds a database that serves, with data and clients.
func begin(t *testing.T, options testenv.AppOptions) *story {
	t.Helper()
	s := &story{t: t, app: found(t, options), version: cmp.Or(options.Version, "15")}
	instance := "orders-" + s.version
	s.must(s.app.AwaitStatefulSet(t.Context(), instance, 5*time.Minute))
	s.must(s.app.FoundDatabases(t.Context(), instance))
	s.must(s.app.SeedAwkward(t.Context(), instance))
	s.must(s.app.AwaitEndpoint(t.Context(), 5*time.Minute))
	s.must(s.app.AwaitActive(t.Context(), time.Minute, instance))
	traffic, err := s.app.StartTraffic(t.Context(), ledger.Config{Clients: 4, Rate: 40})
	s.must(err)
	s.traffic = traffic
	t.Cleanup(func() { _ = traffic.Stop() }) // lostNothing reports
	return s
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// merge a pull request that changes the version.
func (s *story) merge(version string) string {
	s.t.Helper()
	sha, err := s.app.Merge(s.t.Context(), "postgres-"+version, "Upgrade orders to PostgreSQL "+version,
		fleet.Replace(s.app.Dir+"/upgrade.yaml", fmt.Sprintf("\n  version: %q", s.version), fmt.Sprintf("\n  version: %q", version)))
	s.must(err)
	s.version = version
	return sha
}

// edit upgrade.yaml by a commit.
func (s *story) edit(message, from, to string) string {
	s.t.Helper()
	sha, err := s.app.Commit(s.t.Context(), message, fleet.Replace(s.app.Dir+"/upgrade.yaml", from, to))
	s.must(err)
	return sha
}

// revert a commit, and return the commit that reverts it.
func (s *story) revert(sha string) string {
	s.t.Helper()
	head, err := s.app.Revert(s.t.Context(), sha)
	s.must(err)
	content, err := s.app.Repository.Read(s.app.Dir + "/upgrade.yaml")
	s.must(err)
	for _, line := range strings.Split(content, "\n") {
		if version, ok := strings.CutPrefix(line, "  version: "); ok {
			s.version = strings.Trim(version, `"`)
		}
	}
	return head
}

// revertUnseen reverts a commit that moves traffic to instance while Gitover can neither push nor fetch: what Flux has
// applied is enough.
func (s *story) revertUnseen(sha, instance string) (revert string) {
	s.t.Helper()
	ctx := s.t.Context()
	right := map[string]string{"username": s.app.Git.Username, "password": s.app.Git.Password}
	s.must(s.app.SetSecret(ctx, "fleet-push", map[string]string{"username": s.app.Git.Username, "password": "taken away"}))
	revert = s.revert(sha)
	s.must(s.app.AwaitProxy(ctx, 2*time.Minute, "Flux applies the revert", func(p *v1alpha1.PgProxy) bool { return p.Spec.Target == instance }))
	applied := time.Now()
	s.must(s.app.AwaitActive(ctx, time.Minute, instance))
	s.t.Logf("%s serves %v after Flux applied the revert, though Git refuses Gitover", instance, time.Since(applied).Round(time.Millisecond))
	s.must(s.app.SetSecret(ctx, "fleet-push", right))
	return revert
}

// newest commit that Gitover made for a step in this app's directory.
func (s *story) newest(step string) string {
	s.t.Helper()
	log, err := s.app.Repository.Log(s.t.Context(), s.app.Dir)
	s.must(err)
	for _, c := range log {
		if c.Trailers["Gitover-Step"] == step {
			return c.SHA
		}
	}
	s.t.Fatalf("no commit of step %s", step)
	return ""
}

func (s *story) touchesOnly(sha, file string) {
	s.t.Helper()
	files, err := s.app.Repository.Files(s.t.Context(), sha)
	s.must(err)
	if len(files) != 1 || files[0] != file {
		s.t.Errorf("commit %s touches %v instead of %s alone", sha, files, file)
	}
}

func (s *story) awaitStep(step string, patience time.Duration) {
	s.t.Helper()
	s.must(s.app.AwaitUpgrade(s.t.Context(), patience, "step "+step, testenv.At(step)))
}

// witness what the servers' own records say before one of them is removed.
func (s *story) witness() {
	s.t.Helper()
	if s.traffic == nil {
		return
	}
	s.must(s.traffic.WALReader.AwaitLook(s.t.Context(), time.Minute))
}

func (s *story) awaitSoak(instance string) {
	s.t.Helper()
	s.must(s.app.AwaitUpgrade(s.t.Context(), 15*time.Minute, "the soak on "+instance, func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Workflow == "Upgrade" && u.Status.Step == "Soak"
	}))
	s.must(s.app.AwaitActive(s.t.Context(), time.Minute, instance))
	s.witness()
}

func (s *story) awaitRollbackPath() {
	s.t.Helper()
	s.must(s.app.AwaitRollbackPath(s.t.Context(), 2*time.Minute))
	s.witness()
}

func (s *story) awaitRolledBack(instance string) {
	s.t.Helper()
	s.must(s.app.AwaitActive(s.t.Context(), 5*time.Minute, instance))
	s.must(s.app.AwaitUpgrade(s.t.Context(), 2*time.Minute, "the revert is obeyed", testenv.At("AwaitDecision")))
}

// thereAndBack: a revert of the cutover returns traffic to blue, and a revert of that leads it to green again.
func (s *story) thereAndBack(blue, green string) {
	s.t.Helper()
	s.awaitRollbackPath()
	revert := s.revert(s.newest("CommitCutover"))
	s.awaitRolledBack(blue)
	s.awaitRollbackPath()
	s.revert(revert)
	s.awaitSoak(green)
}

// keep the new version for good, during its soak.
func (s *story) keep(version string) {
	s.t.Helper()
	s.edit("Keep PostgreSQL "+version, "    duration: 24h\n", fmt.Sprintf("    duration: 24h\n    finalizedVersion: %q\n", version))
	s.awaitFinished(version)
}

func (s *story) awaitFinished(version string) {
	s.t.Helper()
	s.must(s.app.AwaitUpgrade(s.t.Context(), 15*time.Minute, "PostgreSQL "+version+" for good", testenv.Settled(version)))
}

func (s *story) awaitHistory(outcome string) {
	s.t.Helper()
	s.must(s.app.AwaitUpgrade(s.t.Context(), 10*time.Minute, outcome, func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Workflow == "" && len(u.Status.History) > 0 && u.Status.History[0].Outcome == outcome
	}))
}

func (s *story) proxy() *v1alpha1.PgProxy {
	s.t.Helper()
	p, err := s.app.Proxy(s.t.Context())
	s.must(err)
	return p
}

// onlyGitMovesTraffic: somebody edits the target in the cluster. Nothing moves, the reason
// is told, and Flux puts it back.
func (s *story) onlyGitMovesTraffic(edited, serves string) {
	s.t.Helper()
	made := len(s.proxy().Status.Switches)
	s.must(s.app.EditTarget(s.t.Context(), edited))
	s.must(s.app.AwaitProxy(s.t.Context(), time.Minute, "the edit is refused", func(p *v1alpha1.PgProxy) bool {
		return explains(p.Status.Conditions, v1alpha1.ReasonTargetNotInGit, []string{edited, "Git"})
	}))
	s.must(s.app.ReconcileKustomization(s.t.Context()))
	s.must(s.app.AwaitProxy(s.t.Context(), time.Minute, "Flux puts it back", func(p *v1alpha1.PgProxy) bool {
		return p.Spec.Target == serves && explains(p.Status.Conditions, v1alpha1.ReasonActive, nil)
	}))
	if p := s.proxy(); p.Status.Active != serves || len(p.Status.Switches) != made {
		s.t.Errorf("%s serves after %d switches, want %s after %d", p.Status.Active, len(p.Status.Switches), serves, made)
	}
}

// isGone: no workload, no volume, nothing in Git.
func (s *story) isGone(instance, version string) {
	s.t.Helper()
	s.must(s.app.Await(s.t.Context(), 2*time.Minute, instance+" goes", func(ctx context.Context) (bool, string, error) {
		_, err := s.app.StatefulSet(ctx, instance)
		if !apierrors.IsNotFound(err) {
			return false, "the StatefulSet is there", err
		}
		claims, err := s.app.Claims(ctx, instance)
		return len(claims) == 0, fmt.Sprintf("volumes %v", claims), err
	}))
	s.isGoneFrom(instance, "instances/"+version)
}

// isGoneFrom: the workload doesn't run, and its directory is in Git no more.
func (s *story) isGoneFrom(workload, dir string) {
	s.t.Helper()
	s.must(s.app.Await(s.t.Context(), 2*time.Minute, "StatefulSet "+workload+" goes", func(ctx context.Context) (bool, string, error) {
		_, err := s.app.StatefulSet(ctx, workload)
		return apierrors.IsNotFound(err), "", client.IgnoreNotFound(err)
	}))
	s.must(s.app.Repository.Pull(s.t.Context()))
	if _, err := s.app.Repository.Read(s.app.Dir + "/" + dir + "/kustomization.yaml"); err == nil {
		s.t.Errorf("%s is still in Git", dir)
	}
	list, err := s.app.Repository.Read(s.app.Dir + "/kustomization.yaml")
	s.must(err)
	if strings.Contains(list, "- "+dir) {
		s.t.Errorf("%s is still listed in Git:\n%s", dir, list)
	}
}

// cleanOn: nothing of ours that replicates or fences is left on an instance.
func (s *story) cleanOn(instance string) {
	s.t.Helper()
	left, err := s.app.Leftovers(s.t.Context(), instance)
	s.must(err)
	if len(left) > 0 {
		s.t.Errorf("left on %s: %v", instance, left)
	}
}

func (s *story) fingerprint(instance string) []string {
	s.t.Helper()
	lines, err := s.app.Fingerprint(s.t.Context(), instance)
	s.must(err)
	return lines
}

// same: what no client writes to is as it was.
func (s *story) same(before []string, instance string) {
	s.t.Helper()
	after := s.fingerprint(instance)
	for _, line := range before {
		if !slices.Contains(after, line) {
			s.t.Errorf("%s lost %s; it has\n%s", instance, line, strings.Join(after, "\n"))
		}
	}
}
