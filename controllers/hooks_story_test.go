package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/test/pg"
)

// A controller that dies between any two effects finds what it did, and does it no second time.
func TestAHookRunsOnceWhereverTheControllerDies(t *testing.T) {
	w := withHooks(t, hookFiles{"sql/before.sql": "INSERT INTO ran (what) VALUES ('before');\nSELECT 'from ' || :'from' || ' to ' || :'to';\n"},
		sqlHook("note", v1alpha1.BeforeCopy, "sql/before.sql"))
	w.until("the hook is pinned", func() bool { return len(w.u.Status.Hooks) == 1 })
	if e := w.entry("note"); e.State != v1alpha1.HookPending || e.Revision != fetched || len(w.hookJobs()) > 0 {
		t.Fatalf("%+v, %d Jobs", e, len(w.hookJobs()))
	}
	pinned := *w.u.Status.DeepCopy()
	job := w.untilJob()
	running := *w.u.Status.DeepCopy()

	w.u.Status = pinned // it died after the Job was created, before that was stored
	w.look()
	w.u.Status = running
	w.look()
	w.u.Status = *pinned.DeepCopy()
	w.u.Status.Hooks = nil // it died before it stored what it pinned, and something else created the Job
	w.look()
	w.look()
	if again := w.onlyJob(); again.UID != job.UID {
		t.Fatal("another Job was created")
	}
	w.kubelet(job)
	ended := *w.u.Status.DeepCopy()
	w.until("the copy begins", func() bool { return w.u.Status.Step != steps.Preflight })
	w.u.Status = ended // it died before it stored the result
	w.until("the copy begins", func() bool { return w.u.Status.Step != steps.Preflight })

	if w.ran() != "before" || len(w.hookJobs()) != 1 {
		t.Errorf("ran %q by %d Jobs", w.ran(), len(w.hookJobs()))
	}
	e := w.entry("note")
	if e.State != v1alpha1.HookSucceeded || !strings.Contains(e.Output, "from orders-15 to orders-17") || e.FinishedAt == nil {
		t.Errorf("%+v", e)
	}
	w.told(v1alpha1.ReasonHookSucceeded)
}

func TestAHookThatFailsBlocksUntilPeopleAskAgain(t *testing.T) {
	w := withHooks(t, hookFiles{"a.sql": "INSERT INTO ran (what) VALUES ('first');", "b.sql": fmt.Sprintf("SELECT $q$the password is %s$q$;\nINSERT INTO nowhere VALUES (1);\nINSERT INTO ran (what) VALUES ('never');", pg.Password)},
		sqlHook("first", v1alpha1.BeforeCopy, "a.sql"), sqlHook("second", v1alpha1.BeforeCopy, "b.sql"))
	w.kubelet(w.untilJob())
	w.kubelet(w.untilJob())
	o := w.stays(steps.Preflight, v1alpha1.ReasonHookFailed, "hook second failed", `relation "nowhere" does not exist`, "change spec.retry")
	if !o.Stalled || conditions.GetReason(w.u, v1alpha1.ReadyCondition) == "" && w.ran() != "first" {
		t.Errorf("%+v, ran %q", o, w.ran())
	}
	if e := w.entry("second"); strings.Contains(e.Output+o.Message, pg.Password) || !strings.Contains(e.Output, "the password is ***") {
		t.Errorf("the output: %s", e.Output)
	}
	w.told(v1alpha1.ReasonHookFailed)

	w.files["b.sql"] = "INSERT INTO ran (what) VALUES ('second');"
	w.u.Spec.Retry = "1"
	w.seen.facts.Retry = "1"
	w.kubelet(w.untilJob()) // another attempt: each runs again
	w.kubelet(w.untilJob())
	w.until("the copy begins", func() bool { return w.u.Status.Step != steps.Preflight })
	if w.ran() != "first,first,second" || w.u.Status.Attempt != 2 || len(w.u.Status.Hooks) != 4 {
		t.Errorf("ran %q, attempt %d, %+v", w.ran(), w.u.Status.Attempt, w.u.Status.Hooks)
	}
}

func TestAHookThatTakesTooLongIsEndedOnTheServerToo(t *testing.T) {
	slow := sqlHook("slow", v1alpha1.BeforeCopy, "slow.sql")
	slow.Timeout, slow.OnFailure = &metav1.Duration{Duration: 2 * time.Second}, v1alpha1.HookContinue
	w := withHooks(t, hookFiles{"slow.sql": "INSERT INTO ran (what) VALUES ('slow');\nSELECT pg_sleep(3600);"}, slow)
	job := w.untilJob()
	if *job.Spec.ActiveDeadlineSeconds != 32 {
		t.Errorf("Kubernetes ends it after %d seconds", *job.Spec.ActiveDeadlineSeconds)
	}
	w.kubelet(job)
	w.until("the copy begins all the same", func() bool { return w.u.Status.Step != steps.Preflight })
	if e := w.entry("slow"); e.State != v1alpha1.HookFailed || !strings.Contains(e.Output, "statement timeout") && !strings.Contains(e.Output, "timed out after 2 seconds") {
		t.Errorf("%+v", e)
	}
	eventually(t, 10*time.Second, func() bool {
		return w.blue.Query("", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND pid <> pg_backend_pid()") == "0"
	}, func() string { return "its statement ends" })
	w.told(v1alpha1.ReasonHookFailed)
}

// What a hook has done is unknown if its Job vanished; a Job that Kubernetes doesn't end is ended.
func TestAHookWithoutAResultHasFailed(t *testing.T) {
	w := withHooks(t, hookFiles{"a.sql": "SELECT 1"}, sqlHook("lost", v1alpha1.BeforeCopy, "a.sql"))
	job := w.untilJob()
	w.look()
	w.prints(job, "half way\n")
	w.look()
	w.must(w.Delete(t.Context(), job, client.GracePeriodSeconds(0), client.PropagationPolicy(metav1.DeletePropagationBackground)))
	w.stays(steps.Preflight, v1alpha1.ReasonHookFailed, "is gone, and its result with it", "half way")

	w.u.Spec.Retry, w.seen.facts.Retry = "1", "1"
	job = w.untilJob()
	w.look()
	w.later(10 * time.Minute)
	w.until("the Job is deleted", func() bool {
		w.must(client.IgnoreNotFound(w.Get(t.Context(), client.ObjectKeyFromObject(job), job)))
		if job.DeletionTimestamp != nil { // as Kubernetes does once the pods are gone
			job.Finalizers = nil
			w.must(client.IgnoreNotFound(w.Update(t.Context(), job)))
		}
		return len(w.hookJobs()) == 0
	})
	w.stays(steps.Preflight, v1alpha1.ReasonHookFailed, "is gone")
}

func TestAHookMayEndTheUpgrade(t *testing.T) {
	h := sqlHook("check", v1alpha1.BeforeCopy, "check.sql")
	h.OnFailure = v1alpha1.HookAbort
	w := withHooks(t, hookFiles{"check.sql": "DO $$BEGIN RAISE EXCEPTION 'the year-end closing still runs'; END$$"}, h)
	w.kubelet(w.untilJob())
	w.u.Status.HandledVersion = "17"
	var o outcome.Outcome
	w.until("the end", func() bool { o = w.look(); return w.u.Status.Workflow == "" })
	o = w.look()
	if o.Reason != v1alpha1.ReasonAborted || !o.Stalled || !strings.Contains(o.Message, "year-end closing still runs") || !strings.Contains(o.Message, "spec.retry") {
		t.Errorf("%+v", o)
	}
	if h := w.u.Status.History[0]; h.Outcome != "Aborted" || !strings.Contains(h.Reason, "hook check failed") {
		t.Errorf("%+v", h)
	}
}

// A Job may be created long after its content was pinned, since a quota or a missing Secret was in the way: it has all of its time then.
func TestAHookThatBeginsLateHasItsTime(t *testing.T) {
	w := withHooks(t, hookFiles{"a.sql": "INSERT INTO ran (what) VALUES ('late');"}, sqlHook("late", v1alpha1.BeforeCopy, "a.sql"))
	w.until("it is pinned", func() bool { w.look(); return len(w.u.Status.Hooks) > 0 })
	pinned := metav1.NewTime(w.u.Status.Hooks[0].StartedAt.Add(-time.Hour))
	w.u.Status.Hooks[0].StartedAt = &pinned
	job := w.untilJob()
	w.look()
	if e := w.entry("late"); e.State != v1alpha1.HookRunning || len(w.hookJobs()) != 1 || w.hookJobs()[0].DeletionTimestamp != nil {
		t.Fatalf("%+v, %+v", e, w.hookJobs())
	}
	w.kubelet(job)
	w.until("the copy begins", func() bool { return w.u.Status.Step != steps.Preflight })
}

// What a canceled hook did isn't known, so the same attempt doesn't run it again.
func TestACanceledHookDoesNotRunAgainInTheSameAttempt(t *testing.T) {
	w := withHooks(t, hookFiles{"a.sql": "INSERT INTO ran (what) VALUES ('once');"}, sqlHook("once", v1alpha1.BeforeCopy, "a.sql"))
	job := w.untilJob()
	w.look()
	w.u.Status.Step = steps.CopyRoles // as if the upgrade had left its moment
	w.must(w.r.cancelHooks(t.Context(), w.u, w.seen))
	w.u.Status.Step = steps.Preflight
	w.must(client.IgnoreNotFound(w.Get(t.Context(), client.ObjectKeyFromObject(job), job)))
	if e := w.entry("once"); e.State != v1alpha1.HookCanceled || e.FinishedAt == nil || job.DeletionTimestamp == nil {
		t.Fatalf("%+v, deleted %v", e, job.DeletionTimestamp)
	}
	w.stays(steps.Preflight, v1alpha1.ReasonHookFailed, "the upgrade took another way")
}

// A human's word comes before a hook's.
func TestAHookIsCanceledWhenTheVersionIsTakenBack(t *testing.T) {
	w := withHooks(t, hookFiles{"a.sql": "SELECT 1"}, sqlHook("long", v1alpha1.BeforeCopy, "a.sql"))
	job := w.untilJob()
	w.look()
	w.seen.facts.Wanted = "15"
	w.look()
	w.must(client.IgnoreNotFound(w.Get(t.Context(), client.ObjectKeyFromObject(job), job)))
	if e := w.entry("long"); e.State != v1alpha1.HookCanceled || job.DeletionTimestamp == nil {
		t.Errorf("%+v, deleted %v", e, job.DeletionTimestamp)
	}
}

const smokeJob = `apiVersion: batch/v1
kind: Job
metadata:
  name: smoke
  labels: {team: shop, gitover.dev/instance: orders-15}
spec:
  template:
    metadata: {labels: {gitover.dev/instance: orders-15}}
    spec:
      serviceAccountName: smoke
      restartPolicy: Never
      containers:
      - {name: smoke, image: "postgres:15", command: [sh, -c, "echo smoke of $GITOVER_TO at $GITOVER_MOMENT"]}
`

func TestEachBadHookIsNamedBeforeAnythingBegins(t *testing.T) {
	job := func(name, path string) v1alpha1.HookSpec {
		return v1alpha1.HookSpec{Name: name, Moment: v1alpha1.AfterCutover, Job: &v1alpha1.JobHook{Path: path}}
	}
	elsewhere := sqlHook("database", v1alpha1.BeforeCopy, "a.sql")
	elsewhere.SQL.Database = "shopp"
	role := sqlHook("role", v1alpha1.BeforeCopy, "a.sql")
	role.SQL.SecretRef = &v1alpha1.SecretReference{Name: "nobody"}
	halfRole := sqlHook("half-role", v1alpha1.BeforeCopy, "a.sql")
	halfRole.SQL.SecretRef = &v1alpha1.SecretReference{Name: "half"}
	w := withHooks(t, hookFiles{
		"a.sql": "SELECT 1", "empty.sql": "\n", "huge.sql": strings.Repeat("SELECT 1;\n", 10000),
		"namespace.yaml": strings.Replace(smokeJob, "name: smoke\n", "name: smoke\n  namespace: kube-system\n", 1),
		"typo.yaml":      strings.Replace(smokeJob, "restartPolicy", "restartPolice", 1),
		"no-image.yaml":  strings.Replace(smokeJob, `image: "postgres:15"`, `image: ""`, 1),
		"pod.yaml":       "apiVersion: v1\nkind: Pod\n", "two.yaml": smokeJob + "---\n" + smokeJob, "good.yaml": smokeJob,
	}, sqlHook("missing", v1alpha1.BeforeCopy, "sql/missing.sql"), sqlHook("empty", v1alpha1.BeforeCopy, "empty.sql"), sqlHook("huge", v1alpha1.BeforeCopy, "huge.sql"),
		elsewhere, role, halfRole, job("namespace", "namespace.yaml"), job("typo", "typo.yaml"), job("no-image", "no-image.yaml"), job("pod", "pod.yaml"), job("two", "two.yaml"),
		job("good", "good.yaml"), sqlHook("fine", v1alpha1.BeforeCopy, "a.sql"))
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "half"}, StringData: map[string]string{"username": "app"}})
	o := w.stays(steps.Preflight, v1alpha1.ReasonPreflightBlocked)
	said := map[string]string{}
	for _, f := range w.u.Status.Findings {
		if f.Name == "hook_invalid" && f.Severity == "Block" {
			said[f.Object] += f.Why
		}
	}
	// a status shows a few of each rule; the others are counted
	if len(said) != 4 || !strings.Contains(o.Message, "11 findings block") || len(w.hookJobs()) > 0 {
		t.Fatalf("%d: %+v, %+v", len(said), said, o)
	}
	blamed, hooks := map[string]string{}, w.u.Spec.Hooks
	for _, h := range hooks {
		w.u.Spec.Hooks = []v1alpha1.HookSpec{h}
		if h.Name != "good" && h.Name != "fine" {
			blamed[h.Name] = w.look().Message
		}
	}
	for name, words := range map[string]string{
		"missing": "sql/missing.sql is not in the repository", "empty": "it is empty", "huge": "it has 100000 bytes; 65536 fit", "database": `there is no database "shopp"`,
		"role": "nobody does not exist; create it", "half-role": "Secret half lacks username or password", "namespace": "its namespace is kube-system", "typo": "restartPolice",
		"no-image": "containers[0].image: Required value", "pod": "it is a Pod of v1", "two": "it has several documents",
	} {
		if !strings.Contains(blamed[name], words) || !strings.Contains(blamed[name], "("+name+")") {
			t.Errorf("%s: %s", name, blamed[name])
		}
	}
}

// A Job of the team's own: what would let it be taken for a database is left out, and it gets to know the upgrade.
func TestAJobFromGitRunsAtTheEndOfASoak(t *testing.T) {
	once := v1alpha1.HookSpec{Name: "smoke", Moment: v1alpha1.AfterCutover, Job: &v1alpha1.JobHook{Path: "smoke.yaml"}}
	w := withHooks(t, hookFiles{"smoke.yaml": smokeJob, "last.sql": "INSERT INTO ran (what) VALUES ('last');"}, once, sqlHook("last", v1alpha1.BeforeFinalize, "last.sql"))
	// it has cut over; the server that follows isn't needed for this
	var p v1alpha1.PgProxy
	w.must(w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "orders"}, &p))
	p.Spec.Target = "orders-17"
	w.must(w.Update(t.Context(), &p))
	now := metav1.Now()
	p.Status.Active, p.Status.ActiveSince = "orders-17", &now
	w.must(w.Status().Update(t.Context(), &p))
	w.green = w.blue
	w.serve("17")
	w.u.Status.Step, w.u.Spec.Soak.FinalizedVersion = steps.Soak, "17"
	w.r.fleet(w.u).(*hookGit).serves = "orders-17"
	w.must(w.r.observeProxy(t.Context(), w.u, w.seen))

	job := w.untilJob()
	pod := job.Spec.Template
	if job.Labels["team"] != "shop" || job.Labels[v1alpha1.InstanceLabel]+pod.Labels[v1alpha1.InstanceLabel] != "" || pod.Labels[v1alpha1.UpgradeLabel] != "orders" ||
		pod.Spec.ServiceAccountName != "smoke" || *job.Spec.BackoffLimit != 0 || *job.Spec.ActiveDeadlineSeconds != 300 || len(job.OwnerReferences) != 1 {
		t.Errorf("%+v", job)
	}
	if o := w.look(); !o.Ready || o.Reason != v1alpha1.ReasonSoakInProgress || !strings.Contains(o.Message, "hook smoke: running smoke.yaml at 4a1f0c9d2b7e") {
		t.Errorf("%+v", o)
	}
	w.kubelet(job)
	job = w.untilJob() // the next moment's
	if e := w.entry("smoke"); e.Output != "smoke of orders-17 at AfterCutover" {
		t.Errorf("%+v", e)
	}
	w.prints(job, "no rights\n")
	w.ended(job, batchv1.JobFailed, batchv1.JobFailureTarget, batchv1.JobReasonDeadlineExceeded)
	w.stays(steps.Soak, v1alpha1.ReasonHookFailed, "hook last failed: it timed out after 5m", "no rights")
	w.u.Spec.Retry, w.seen.facts.Retry = "once more", "once more"
	job = w.untilJob()
	if w.u.Status.HandledRetry != "once more" {
		t.Error("a rollback would be followed by another cutover at once")
	}
	w.kubelet(job)
	w.until("the soak ends", func() bool { return w.u.Status.Step != steps.Soak })
	if w.ran() != "last" || w.u.Status.Attempt != 1 {
		t.Errorf("ran %q, attempt %d", w.ran(), w.u.Status.Attempt)
	}
}
