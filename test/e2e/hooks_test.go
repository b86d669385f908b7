package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
)

const withHooks = `  hooks:
  - name: note
    moment: BeforeCopy
    sql: {path: apps/hooked/hooks/note.sql, database: DATABASE}
  - name: plans
    moment: BeforeCutover
    sql: {path: apps/hooked/hooks/plans.sql, database: DATABASE, instance: New}
  - name: smoke
    moment: AfterCutover
    job: {path: apps/hooked/hooks/smoke.yaml}
  mode: Rehearse
`

const smoke = `apiVersion: batch/v1
kind: Job
metadata: {name: smoke}
spec:
  template:
    spec:
      restartPolicy: Never
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: smoke
        image: "gitover.local/postgres:17"
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "echo smoke of $GITOVER_TO; psql --version"]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

// A rehearsal with its hooks, then the real thing: each hook's Job runs under the real kubelet, and its last lines reach the status.
func TestHooksRunInARehearsalAndInTheRealThing(t *testing.T) {
	t.Parallel()
	hooks := strings.ReplaceAll(withHooks, "DATABASE", testenv.Databases[0])
	s := begin(t, testenv.AppOptions{Namespace: "hooked", Files: map[string]string{
		"hooks/note.sql":   "CREATE TABLE IF NOT EXISTS hooked (at timestamptz PRIMARY KEY DEFAULT clock_timestamp());\nINSERT INTO hooked DEFAULT VALUES;\nSELECT 'noted in mode ' || :'mode';\n",
		"hooks/plans.sql":  "SELECT 'rows of hooked on ' || :'to' || ': ' || count(*) FROM hooked;\n",
		"hooks/smoke.yaml": smoke,
	}, Change: func(file, content string) string {
		if file == "upgrade.yaml" {
			content = strings.Replace(content, "  proxyRef:\n", hooks+"  proxyRef:\n", 1)
		}
		return content
	}})
	ctx := t.Context()
	said := func(u *v1alpha1.PgUpgrade, hook string) string {
		for i := len(u.Status.Hooks) - 1; i >= 0; i-- {
			if h := u.Status.Hooks[i]; h.Name == hook && h.State == v1alpha1.HookSucceeded {
				return h.Output
			}
		}
		return ""
	}
	s.merge("17")
	s.must(s.app.AwaitUpgrade(ctx, 15*time.Minute, "the end of the rehearsal", func(u *v1alpha1.PgUpgrade) bool {
		c := conditions.Get(u, v1alpha1.ReadyCondition)
		return c != nil && c.Status == metav1.ConditionTrue && c.Reason == v1alpha1.ReasonRehearsed
	}))
	u, err := s.app.Upgrade(ctx)
	s.must(err)
	if !strings.Contains(said(u, "note"), "noted in mode Rehearse") || !strings.Contains(said(u, "plans"), "rows of hooked on orders-17: 1") {
		t.Errorf("the rehearsal's hooks: %+v", u.Status.Hooks)
	}
	if p := s.proxy(); p.Status.Active != "orders-15" || len(p.Status.Switches) > 0 {
		t.Errorf("a rehearsal moved traffic: %+v", p.Status)
	}
	t.Logf("the report: %s", strings.Join(u.Status.Rehearsal.Report, "\n"))
	s.isGone("orders-17", "17")

	_, err = s.app.Commit(ctx, "Upgrade for real", fleet.Replace(s.app.Dir+"/upgrade.yaml", "  mode: Rehearse\n", "  mode: Upgrade\n"))
	s.must(err)
	s.awaitSoak("orders-17")
	s.must(s.app.AwaitUpgrade(ctx, 5*time.Minute, "the Job after the cutover", func(u *v1alpha1.PgUpgrade) bool {
		return strings.Contains(said(u, "smoke"), "smoke of orders-17")
	}))
	u, err = s.app.Upgrade(ctx)
	s.must(err)
	if !strings.Contains(said(u, "plans"), "rows of hooked on orders-17: 2") {
		t.Errorf("the hooks: %+v", u.Status.Hooks)
	}
	var jobs batchv1.JobList
	s.must(s.app.Client.List(ctx, &jobs, client.InNamespace(s.app.Namespace)))
	n := 0
	for _, j := range jobs.Items {
		if strings.HasPrefix(j.Name, "gitover-hook-") {
			n++
		}
	}
	if n != 5 { // two in the rehearsal, three in the real thing
		t.Errorf("%d Jobs of hooks ran", n)
	}
	s.lostNothing("orders-17", 1)
}
