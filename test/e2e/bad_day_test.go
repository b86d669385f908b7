package e2e

import (
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/pg"
)

// mishap is something that a team or its surroundings got wrong: it shows as a condition
// with a reason, and the message says what to do.
type mishap struct {
	name string
	// cause it, and fix what came before: in between nothing may go on.
	cause  func(s *story)
	reason string
	says   []string
}

// suffer each mishap in turn. Nothing may be half-done: no commit of Gitover's in the
// team's directory, nothing on blue.
func (s *story) suffer(mishaps []mishap) {
	s.t.Helper()
	for _, m := range mishaps {
		s.t.Logf("— %s", m.name)
		m.cause(s)
		s.must(s.app.AwaitUpgrade(s.t.Context(), 3*time.Minute, m.name, because(m.reason, m.says...)))
		s.nothingHalfDone()
	}
}

// because is true of an upgrade that is not ready for this reason and says these words.
func because(reason string, says ...string) func(*v1alpha1.PgUpgrade) bool {
	return func(u *v1alpha1.PgUpgrade) bool { return explains(u.Status.Conditions, reason, says) }
}

func explains(conditions []metav1.Condition, reason string, says []string) bool {
	ready := meta.FindStatusCondition(conditions, v1alpha1.ReadyCondition)
	return ready != nil && ready.Reason == reason && !slices.ContainsFunc(says, func(words string) bool { return !strings.Contains(ready.Message, words) })
}

func (s *story) nothingHalfDone() {
	s.t.Helper()
	log, err := s.app.Repository.Log(s.t.Context(), s.app.Dir)
	s.must(err)
	upgrade, err := s.app.Upgrade(s.t.Context())
	s.must(err)
	for _, c := range log {
		// a stage that went through the stories before has commits of other upgrades
		if step := c.Trailers["Gitover-Step"]; step != "" && c.Trailers["Gitover-Upgrade"] == string(upgrade.UID) {
			s.t.Errorf("Gitover committed %s (%s) on a bad day", step, c.SHA)
		}
	}
	s.cleanOn("orders-15")
}

func (s *story) secret(name string, data map[string]string) func(*story) {
	return func(s *story) { s.must(s.app.SetSecret(s.t.Context(), name, data)) }
}

func (s *story) commit(message string, edit fleet.Edit) {
	s.t.Helper()
	_, err := s.app.Commit(s.t.Context(), message, edit)
	s.must(err)
}

const superuser = "orders-superuser"

func TestWrongCredentialsOfTheDatabase(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "credentials", Change: manual})
	right := s.app.SuperuserSecret()
	s.must(s.app.DeleteSecret(t.Context(), superuser))
	s.merge("17")
	s.suffer([]mishap{
		{"the Secret is missing", func(*story) {}, v1alpha1.ReasonSecretNotFound, []string{superuser, "create"}},
		{"the Secret lacks a key", s.secret(superuser, map[string]string{"username": "postgres"}), v1alpha1.ReasonSecretInvalid, []string{superuser, "password"}},
		{"the password is wrong", s.secret(superuser, map[string]string{"username": "postgres", "password": "guessed"}), v1alpha1.ReasonServerAuthFailed, []string{"orders-15", "postgres"}},
		{"the user lacks rights", s.secret(superuser, s.app.ApplicationSecret()), v1alpha1.ReasonPreflightBlocked, []string{"superuser", testenv.AppRole, "Fix:"}},
	})
	s.must(s.app.SetSecret(t.Context(), superuser, right))
	s.awaitStep("Approve", 10*time.Minute)
	s.lostNothing("orders-15", 0)
}

func TestWrongManifestsAndAGitServerThatRefuses(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	const patch = "    patches:\n    - target: {kind: StatefulSet}\n      patch: \"[{op: remove, path: /spec/nowhere}]\"\n"
	git := ownRepository(t, "refusing")
	s := begin(t, testenv.AppOptions{Namespace: "refusing", Git: git, Change: func(file, content string) string {
		return strings.Replace(manual(file, content), "    base: base\n", "    base: base\n"+patch, 1)
	}})
	handmade, upgrade := s.app.Dir+"/instances/17/kustomization.yaml", s.app.Dir+"/upgrade.yaml"
	proxy, list, elsewhere := s.app.Dir+"/proxy.yaml", s.app.Dir+"/kustomization.yaml", s.app.Dir+"-proxy/"
	s.commit("Keep the proxy elsewhere", fleet.All(fleet.Move(proxy, elsewhere+"proxy.yaml"), fleet.Write(elsewhere+"kustomization.yaml", "resources: [proxy.yaml]\n"),
		fleet.Replace(list, "- proxy.yaml\n", "- ../"+path.Base(elsewhere)+"\n")))
	push := func(password string) {
		s.must(s.app.SetSecret(t.Context(), "fleet-push", map[string]string{"username": git.Username, "password": password}))
	}
	s.merge("17")
	s.suffer([]mishap{
		{"the proxy's manifest is not in the directory", func(*story) {}, v1alpha1.ReasonPathNotFound, []string{"PgProxy orders", s.app.Dir}},
		{"a patch does not apply", func(s *story) {
			s.commit("Keep the proxy where Gitover may edit it", fleet.All(fleet.Move(elsewhere+"proxy.yaml", proxy), fleet.Remove(elsewhere), fleet.Replace(list, "- ../"+path.Base(elsewhere)+"\n", "- proxy.yaml\n")))
		}, v1alpha1.ReasonBuildFailed, []string{"nowhere"}},
		{"instances/17 was made by hand", func(s *story) {
			s.commit("Make instances/17 by hand", fleet.All(fleet.Write(handmade, "resources: [../../base]\n"), fleet.Replace(upgrade, patch, "")))
		}, v1alpha1.ReasonManifestInvalid, []string{"instances/17", "hand"}},
		{"the push credentials are wrong", func(s *story) {
			push("guessed")
			s.commit("Leave instances/17 to Gitover", fleet.Remove(handmade))
		}, v1alpha1.ReasonGitUnauthorized, []string{"fleet-push"}},
		{"the branch is protected", func(s *story) {
			s.must(protect("refusing", "no-direct-push"))
			push(git.Password)
		}, v1alpha1.ReasonPushRejected, []string{"protected branch"}},
	})
	s.must(protect("refusing"))
	s.awaitStep("Approve", 10*time.Minute)
	s.lostNothing("orders-15", 0)
}

func TestAVersionThatIsNoneWhenItComesFromAnotherFile(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "values", Change: func(file, content string) string {
		content = strings.Replace(content, `  version: "15"`, "  versionFrom:\n    path: apps/values/values.yaml\n    field: postgresql.image.tag", 1)
		return manual(file, content)
	}, Files: map[string]string{"values.yaml": "postgresql:\n  image:\n    tag: \"15.4\" # ours\n"}})
	values := s.app.Dir + "/values.yaml"
	set := func(from, to string) func(*story) {
		return func(s *story) { s.commit("Set the version to "+to, fleet.Replace(values, from, to)) }
	}
	s.suffer([]mishap{
		{"not a version", set(`"15.4"`, `banana`), v1alpha1.ReasonUnsupportedVersion, []string{"banana"}},
		{"too old", set(`banana`, `"9.6"`), v1alpha1.ReasonUnsupportedVersion, []string{"9.6", "13"}},
		{"the field is gone", set(`tag: "9.6"`, `digest: abc`), v1alpha1.ReasonFieldNotFound, []string{"postgresql.image.tag"}},
		{"the file is gone", func(s *story) { s.commit("Remove the values", fleet.Remove(values)) }, v1alpha1.ReasonPathNotFound, []string{"values.yaml"}},
	})
	s.commit("PostgreSQL 17.2", fleet.Write(values, "postgresql:\n  image:\n    tag: 17.2\n"))
	s.awaitStep("Approve", 10*time.Minute)
	s.lostNothing("orders-15", 0)
}

// A team that changes its mind at every turn.
func TestChangesOfMindOnTheWay(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "fickle", Change: manual})
	// no image of that version: says which, and another version takes its place
	s.merge("16")
	s.must(s.app.AwaitUpgrade(t.Context(), 5*time.Minute, "the image is missing", because(v1alpha1.ReasonWorkloadNotReady, "postgres:16")))
	s.merge("17")
	s.awaitStep("Approve", 10*time.Minute)
	s.isGone("orders-16", "16")

	// suspended at the gate, approved meanwhile: nothing moves before it is resumed
	s.edit("Suspend", "  proxyRef:\n", "  suspend: true\n  proxyRef:\n")
	s.must(s.app.AwaitUpgrade(t.Context(), 2*time.Minute, "it is suspended", func(u *v1alpha1.PgUpgrade) bool {
		return testenv.IsTrue(u.Status.Conditions, v1alpha1.SuspendedCondition)
	}))
	s.edit("Approve 17", "    approval: Manual\n", "    approval: Manual\n    approvedVersion: \"17\"\n")
	s.edit("Resume", "  suspend: true\n", "")
	s.awaitSoak("orders-17")

	// another version during the soak waits, and says what for
	s.merge("16")
	s.must(s.app.AwaitUpgrade(t.Context(), 2*time.Minute, "16 waits for the soak", because(v1alpha1.ReasonWaitingForSoak, "16", "17")))
	s.merge("15")
	s.awaitHistory("RolledBack")
	s.lostNothing("orders-15", 2)
}

func TestAProxyThatIsToldNonsense(t *testing.T) {
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "nonsense"})
	await := func(reason string, says ...string) {
		t.Helper()
		s.must(s.app.AwaitProxy(t.Context(), 3*time.Minute, reason, func(p *v1alpha1.PgProxy) bool {
			return explains(p.Status.Conditions, reason, says)
		}))
	}
	s.commit("Lead nowhere", fleet.Replace(s.app.Dir+"/proxy.yaml", "target: orders-15", "target: orders-18"))
	await(v1alpha1.ReasonUnknownTarget, "orders-18", "orders-15")
	s.commit("Lead home", fleet.Replace(s.app.Dir+"/proxy.yaml", "target: orders-18", "target: orders-15"))
	await(v1alpha1.ReasonActive)

	directory := s.app.Dir + "/kustomization.yaml"
	stranger := `patches:
- target: {kind: Deployment, name: orders-pooler}
  patch: |
    - {op: add, path: /spec/template/spec/initContainers/0/args/-, value: --admin-user=stranger}
`
	s.commit("Be a stranger", fleet.Replace(directory, "components:\n", stranger+"components:\n"))
	await(v1alpha1.ReasonPoolerRefused, "orders-pooler")
	s.commit("Be no stranger", fleet.Replace(directory, stranger, ""))
	await(v1alpha1.ReasonActive)
	s.lostNothing("orders-15", 0)
}

func TestAVersionThatIsNoMajorIsRefusedByTheAPIServer(t *testing.T) {
	t.Parallel()
	s := begin(t, testenv.AppOptions{Namespace: "minor"})
	merge := s.merge("17.2")
	s.must(s.app.AwaitKustomization(t.Context(), 3*time.Minute, "Flux says what is wrong", "supported PostgreSQL major version"))
	s.nothingHalfDone()
	s.revert(merge)
	s.must(s.app.AwaitKustomization(t.Context(), 3*time.Minute, "Flux goes on", "Applied revision"))
	s.lostNothing("orders-15", 0)
}
