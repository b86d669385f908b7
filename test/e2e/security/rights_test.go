package security

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/ledger"
	"github.com/gitover/gitover/test/pg"
)

const (
	controller = "gitover-controller"
	agent      = "orders-gitover-agent"
)

// A controller for one namespace, with Roles only, begins without a single right. It gets
// those that the API server says it misses, until it has cut an upgrade over, taken it back
// and removed it. In the end it has the rights of the manifests: none is missing there, and
// none is there that nobody ever missed. The same goes for the poolers' agents.
func TestEveryRightIsNeededAndNoneIsMissing(t *testing.T) {
	pg.Long(t)
	w := enter(t)
	agents := agentRules(t, w)
	app := found(t, w, "rights", func(file, content string) string {
		switch content = testenv.CopyBy(v1alpha1.CopyAuto)(file, content); file {
		case "upgrade.yaml": // what a team may do by hand, at the pace of the test
			content = strings.Replace(content, "approval: Automatic", "approval: Manual", 1)
		case "base/statefulset.yaml": // volumes stay, unless Gitover removes them
			content = strings.Replace(content, "whenDeleted: Delete", "whenDeleted: Retain", 1)
		case "base/postgresql.conf": // what shows a secret shows it in the servers' logs
			content += "log_statement = 'all'\n"
		case "kustomization.yaml": // the agents' Role is the test's
			content += withoutRole
		}
		return content
	})
	must(t, w.Client.Create(t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: app.Namespace, Name: agent}}))
	wanted := map[right]bool{}
	must(t, w.InstallIn(t.Context(), app.Namespace, func(o *unstructured.Unstructured) { withoutRights(t, o, wanted) }))

	c := newClerk(app, map[string]string{controller: controller, agent: agent})
	working, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.work(working) }()
	t.Cleanup(func() {
		stop()
		<-ended //nolint:errcheck // the clerk was stopped
	})

	s := &story{t: t, app: app, clerk: c}
	s.serve()
	since, processes := time.Now(), s.watchProcesses()
	s.jobFails()
	s.cutOver()
	s.showsNoSecret(since, "orders-15", "orders-17")
	s.seeWhatIsMissing()
	s.regret()
	stop()
	must(t, <-ended)
	ended <- nil

	has, where := c.rights(controller)
	compare(t, controller, has, wanted)
	compareAgents(t, c, agents)
	for r, place := range where {
		t.Logf("without the right to %s: %s", r, place)
	}
	nothingOutside(t, w, app.Namespace, wanted)
	s.crossesNoBorder()
	secrets := s.showsNoSecret(since, "orders-15")
	shown, err := processes()
	must(t, err)
	for _, place := range shown {
		t.Errorf("a secret shows: %s", place)
	}
	s.findsWhatIsPlanted(secrets, since)
}

// withoutRole takes the agents' Role out of what the directory applies.
const withoutRole = `patches:
- patch: |
    $patch: delete
    apiVersion: rbac.authorization.k8s.io/v1
    kind: Role
    metadata:
      name: orders-gitover-agent
`

// agentRules of the component that brings the agents.
func agentRules(t *testing.T, w *testenv.Environment) []rbacv1.PolicyRule {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(w.Checkout, "manifests", "components", "pooler", "rbac.yaml"))
	must(t, err)
	var role rbacv1.Role
	must(t, decode(strings.Split(string(content), "\n---\n")[1], &role))
	return role.Rules
}

// withoutRights empties the installation's Roles and notes what was in them. Its client
// lists before it watches, as it does where the API server can't stream lists.
func withoutRights(t *testing.T, o *unstructured.Unstructured, wanted map[right]bool) {
	t.Helper()
	switch o.GetKind() {
	case "Role":
		var role rbacv1.Role
		must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role))
		maps.Copy(wanted, rightsOfStory(role.Rules))
		o.Object["rules"] = []any{}
	case "RoleBinding":
		// one Role collects all rights
		must(t, unstructured.SetNestedField(o.Object, controller, "roleRef", "name"))
	case "Deployment":
		containers, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		must(t, err)
		container := containers[0].(map[string]any)
		container["env"] = append(container["env"].([]any), map[string]any{"name": "KUBE_FEATURE_WatchListClient", "value": "false"})
		container["args"] = append(container["args"].([]any), "--log-level=debug")
		must(t, unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"))
	}
}

func compare(t *testing.T, account string, has, wanted map[right]bool) {
	t.Helper()
	for _, r := range sorted(wanted) {
		if !slices.Contains(sorted(has), r) {
			t.Errorf("%s: nobody missed the right to %s: take it out of the manifests", account, r)
		}
	}
	for _, r := range sorted(has) {
		if !slices.Contains(sorted(wanted), r) {
			t.Errorf("%s: the right to %s is missing in the manifests", account, r)
		}
	}
	t.Logf("%s: %d rights were missed and granted, %d are in the manifests", account, len(has), len(wanted))
}

// compareAgents also demands that the component names one PgProxy.
func compareAgents(t *testing.T, c *clerk, rules []rbacv1.PolicyRule) {
	t.Helper()
	has, _ := c.rights(agent)
	compare(t, agent, has, rightsIn(rules))
	for _, rule := range rules {
		if !slices.Equal(rule.ResourceNames, []string{"PROXY"}) {
			t.Errorf("the agents may use every object of %v", rule.Resources)
		}
	}
}

// story is what a team does while its controller collects its rights.
type story struct {
	t       *testing.T
	app     *testenv.App
	clerk   *clerk
	traffic *testenv.Traffic
}

func (s *story) serve() {
	s.t.Helper()
	ctx := s.t.Context()
	must(s.t, s.app.AwaitStatefulSet(ctx, "orders-15", patience))
	must(s.t, s.app.FoundDatabases(ctx, "orders-15"))
	must(s.t, s.app.AwaitEndpoint(ctx, patience))
	must(s.t, s.app.AwaitActive(ctx, patience, "orders-15"))
	var err error
	s.traffic, err = s.app.StartTraffic(ctx, ledger.Config{Clients: 2, Rate: 20})
	must(s.t, err)
	s.t.Cleanup(func() { _ = s.traffic.Stop() })
}

func (s *story) edit(message, from, to string) {
	s.t.Helper()
	_, err := s.app.Commit(s.t.Context(), message, fleet.Replace(s.app.Dir+"/upgrade.yaml", from, to))
	must(s.t, err)
}

// jobFails: a view that PostgreSQL 17 can't have ends the physical copy, and the Job of the logical one. Its last lines reach the status.
func (s *story) jobFails() {
	s.t.Helper()
	ctx := s.t.Context()
	must(s.t, s.app.Run(ctx, "orders-15", testenv.Databases[0], "CREATE VIEW old_statistics AS SELECT buffers_backend FROM pg_stat_bgwriter"))
	_, err := s.app.Merge(ctx, "postgres-17", "Upgrade orders to PostgreSQL 17", fleet.Replace(s.app.Dir+"/upgrade.yaml", "\n  version: \"15\"", "\n  version: \"17\""))
	must(s.t, err)
	must(s.t, s.app.Await(ctx, patience, "a schema Job fails at once", func(ctx context.Context) (bool, string, error) {
		var jobs batchv1.JobList
		if err := s.app.Client.List(ctx, &jobs, client.InNamespace(s.app.Namespace)); err != nil {
			return false, "", err
		}
		for i := range jobs.Items {
			if strings.HasPrefix(jobs.Items[i].Name, "gitover-seed-") {
				continue // which doesn't try again
			}
			patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"backoffLimit":0}}`)) // nobody wants to wait for more attempts
			if err := s.app.Client.Patch(ctx, &jobs.Items[i], patch); err != nil {
				return false, "", err
			}
			if jobs.Items[i].Status.Failed > 0 {
				return true, jobs.Items[i].Name, nil
			}
		}
		return false, fmt.Sprintf("%d Jobs", len(jobs.Items)), nil
	}))
	must(s.t, s.app.AwaitUpgrade(ctx, patience, "the Job's last lines", func(u *v1alpha1.PgUpgrade) bool {
		return ready(u).Reason == v1alpha1.ReasonJobFailed && strings.Contains(ready(u).Message, "buffers_backend") && u.Status.CopyMethod.Failed
	}))
	must(s.t, s.app.Run(ctx, "orders-15", testenv.Databases[0], "DROP VIEW old_statistics"))
	s.edit("Try again without the view", "  proxyRef:\n", "  retry: \"1\"\n  proxyRef:\n")
}

func (s *story) cutOver() {
	s.t.Helper()
	ctx := s.t.Context()
	must(s.t, s.app.AwaitUpgrade(ctx, patience, "the gate", testenv.At("Approve")))
	s.edit("Approve 17", "    approval: Manual\n", "    approval: Manual\n    approvedVersion: \"17\"\n")
	must(s.t, s.app.AwaitUpgrade(ctx, patience, "the soak", testenv.At("Soak")))
	must(s.t, s.app.AwaitActive(ctx, patience, "orders-17"))
	must(s.t, s.app.AwaitRollbackPath(ctx, patience))
}

// seeWhatIsMissing: people see which right is missing, in a condition, and it goes on by
// itself when it is there again. A Secret that lost a key is fixed.
func (s *story) seeWhatIsMissing() {
	s.t.Helper()
	ctx := s.t.Context()
	for range 2 { // the same event twice: it is counted, not repeated
		secrets := right{"", "secrets", "get"}
		must(s.t, s.clerk.withhold(ctx, controller, secrets, true))
		must(s.t, s.app.AwaitProxy(ctx, patience, "the missing right is named", func(p *v1alpha1.PgProxy) bool {
			c := condition(p.Status.Conditions, v1alpha1.StalledCondition)
			return c.Reason == v1alpha1.ReasonForbidden && strings.Contains(c.Message, `cannot get resource "secrets"`)
		}))
		must(s.t, s.clerk.withhold(ctx, controller, secrets, false))
		must(s.t, s.app.AwaitProxy(ctx, patience, "it goes on", func(p *v1alpha1.PgProxy) bool {
			return condition(p.Status.Conditions, v1alpha1.ReadyCondition).Reason == v1alpha1.ReasonActive
		}))
	}
	key := client.ObjectKey{Namespace: s.app.Namespace, Name: "orders-gitover-agent"}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	must(s.t, s.app.Client.Patch(ctx, secret, client.RawPatch(types.MergePatchType, []byte(`{"data":{"register-user":null}}`))))
	must(s.t, s.app.Await(ctx, patience, "the Secret is fixed", func(ctx context.Context) (bool, string, error) {
		err := s.app.Client.Get(ctx, key, secret)
		return len(secret.Data["register-user"]) > 0, fmt.Sprintf("%d keys", len(secret.Data)), err
	}))
}

// regret: the version is reverted; traffic goes back and PostgreSQL 17 is removed.
func (s *story) regret() {
	s.t.Helper()
	ctx := s.t.Context()
	must(s.t, s.app.AwaitRollbackPath(ctx, patience))
	s.edit("Return to PostgreSQL 15", "\n  version: \"17\"", "\n  version: \"15\"")
	must(s.t, s.app.AwaitUpgrade(ctx, patience, "rolled back and removed", func(u *v1alpha1.PgUpgrade) bool {
		return u.Status.Workflow == "" && len(u.Status.History) > 0 && u.Status.History[0].Outcome == "RolledBack"
	}))
	claims, err := s.app.Claims(ctx, "orders-17")
	must(s.t, err)
	if len(claims) > 0 {
		s.t.Errorf("volumes are left: %v", claims)
	}
	report, err := s.traffic.Check(ctx, "orders-15", 2)
	must(s.t, err)
	if !report.OK() || report.Acknowledged == 0 {
		s.t.Errorf("the ledger does not balance: %+v", report)
	}
}

// crossesNoBorder: this installation refuses references into other namespaces.
func (s *story) crossesNoBorder() {
	s.t.Helper()
	ctx := s.t.Context()
	// the cluster's own controller, if there is one, would say its word on it, too
	u := &v1alpha1.PgUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: s.app.Namespace, Name: "elsewhere", Labels: map[string]string{testenv.OwnController: s.app.Namespace}}}
	u.Spec = attackOf(s.app.Dir)
	u.Spec.Git.KustomizationRef.Namespace = "flux-system"
	must(s.t, s.app.Client.Create(ctx, u))
	must(s.t, s.app.Await(ctx, patience, "another namespace is refused", func(ctx context.Context) (bool, string, error) {
		err := s.app.Client.Get(ctx, client.ObjectKeyFromObject(u), u)
		return ready(u).Reason == v1alpha1.ReasonAccessDenied && strings.Contains(ready(u).Message, "which this installation forbids"), ready(u).Message, err
	}))
	must(s.t, s.app.Client.Delete(ctx, u))
}
