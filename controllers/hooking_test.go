package controllers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
)

// hooking is an upgrade with hooks, of a real server, on a real API server. The test is the kubelet: it runs the containers of their
// Jobs, keeps what they print, and gives Jobs their end.
type hooking struct {
	*seeding
	files  hookFiles
	output map[string]string // by pod
}

// hookFiles of the repository at its one commit.
type hookFiles map[string]string

// fetched is the commit of hookFiles.
const fetched = "4a1f0c9d2b7e4a1f0c9d2b7e4a1f0c9d2b7e4a1f"

// hookGit has files for hooks.
type hookGit struct {
	fleetGit
	files    hookFiles
	serves   string
	evidence map[string]steps.Evidence
}

func (g *hookGit) Commit(ctx context.Context, step string, evidence steps.Evidence) error {
	g.evidence[step] = evidence
	return g.fleetGit.Commit(ctx, step, evidence)
}

func (g *hookGit) ReadFile(_ context.Context, path, _ string) ([]byte, string, error) {
	content, found := g.files[path]
	if !found {
		return nil, "", fmt.Errorf("%w: %s is not in the repository", gitops.ErrPathMissing, path)
	}
	return []byte(content), fetched, nil
}

func (g *hookGit) Targets(_ context.Context, instance string) (bool, error) {
	return instance == g.serves, nil
}

// printed answers for the kubelet, which the API server would ask for logs.
type printed struct {
	http.RoundTripper
	output map[string]string
}

func (p printed) RoundTrip(request *http.Request) (*http.Response, error) {
	if path, isLog := strings.CutSuffix(request.URL.Path, "/log"); isLog {
		pod := path[strings.LastIndex(path, "/")+1:]
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewBufferString(p.output[pod])), Request: request}, nil
	}
	return p.RoundTripper.RoundTrip(request)
}

// withHooks is an upgrade from 15 to 17 at its first step.
func withHooks(t *testing.T, files hookFiles, hooks ...v1alpha1.HookSpec) *hooking {
	t.Helper()
	return aSeed(t, v1alpha1.CopyLogical).withHooks(files, hooks...)
}

func (w *seeding) withHooks(files hookFiles, hooks ...v1alpha1.HookSpec) *hooking {
	w.Helper()
	h := &hooking{seeding: w, files: files, output: map[string]string{}}
	git := &hookGit{fleetGit: *w.git, files: files, serves: "orders-15", evidence: map[string]steps.Evidence{}}
	w.r.fleet = func(*v1alpha1.PgUpgrade) steps.Git { return git }
	config := rest.CopyConfig(api)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return printed{next, h.output} })
	pods, err := kubernetes.NewForConfig(config)
	w.must(err)
	w.r.Pods = pods
	w.blue.Exec("d", "CREATE TABLE ran (n int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text)")
	stored := w.u.Status
	w.u.Spec.Hooks = hooks
	w.must(w.Update(w.Context(), w.u))
	w.u.Status = stored
	return h
}

// sqlHook runs a file in database d of the instance that serves.
func sqlHook(name string, moment v1alpha1.HookMoment, path string) v1alpha1.HookSpec {
	return v1alpha1.HookSpec{Name: name, Moment: moment, SQL: &v1alpha1.SQLHook{Path: path, Database: "d"}}
}

// hookJobs that are there, oldest first.
func (w *hooking) hookJobs() []batchv1.Job {
	w.Helper()
	var jobs batchv1.JobList
	w.must(w.List(w.Context(), &jobs, client.InNamespace(w.namespace)))
	return jobs.Items
}

// onlyJob is the one hook's Job that has no end yet.
func (w *hooking) onlyJob() *batchv1.Job {
	w.Helper()
	var open []batchv1.Job
	for _, j := range w.hookJobs() {
		if len(j.Status.Conditions) == 0 {
			open = append(open, j)
		}
	}
	if len(open) != 1 {
		w.Fatalf("%d Jobs are open: %+v", len(open), w.u.Status.Hooks)
	}
	return &open[0]
}

// kubelet runs the Job's container in its image, and gives pod and Job their end.
func (w *hooking) kubelet(job *batchv1.Job) {
	w.Helper()
	out, err := w.container(job.Spec.Template.Spec.Containers[0])
	w.prints(job, string(out))
	if err != nil {
		w.ended(job, batchv1.JobFailed, batchv1.JobFailureTarget, batchv1.JobReasonBackoffLimitExceeded)
		return
	}
	w.ended(job, batchv1.JobComplete, batchv1.JobSuccessCriteriaMet, "CompletionsReached")
}

// prints is a pod of the Job with this output.
func (w *hooking) prints(job *batchv1.Job, out string) {
	w.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: job.Namespace, Name: job.Name, Labels: map[string]string{batchv1.JobNameLabel: job.Name}},
		Spec:       *job.Spec.Template.Spec.DeepCopy(),
	}
	pod.Spec.ServiceAccountName = ""
	pod.Status.Phase = corev1.PodRunning
	w.createWithStatus(pod)
	w.output[pod.Name] = out
}

// untilJob looks until a Job is there that has no end.
func (w *hooking) untilJob() *batchv1.Job {
	w.Helper()
	w.until("a hook's Job", func() bool {
		for _, j := range w.hookJobs() {
			if len(j.Status.Conditions) == 0 {
				return true
			}
		}
		return false
	})
	return w.onlyJob()
}

func (w *hooking) entry(name string) v1alpha1.HookStatus {
	w.Helper()
	for i := len(w.u.Status.Hooks) - 1; i >= 0; i-- {
		if w.u.Status.Hooks[i].Name == name {
			return w.u.Status.Hooks[i]
		}
	}
	w.Fatalf("hook %s has not begun: %+v", name, w.u.Status.Hooks)
	return v1alpha1.HookStatus{}
}

// ran are the rows that hooks wrote.
func (w *hooking) ran() string {
	w.Helper()
	return w.blue.Query("d", "SELECT coalesce(string_agg(what, ',' ORDER BY what), '') FROM ran")
}

// stays at the step with a reason, whatever the number of looks.
func (w *hooking) stays(step, reason string, words ...string) outcome.Outcome {
	w.Helper()
	var o outcome.Outcome
	for range 4 {
		o = w.look()
	}
	if w.u.Status.Step != step || o.Reason != reason {
		w.Fatalf("%s: %+v", w.u.Status.Step, o)
	}
	for _, word := range words {
		if !strings.Contains(o.Message, word) {
			w.Errorf("%q isn't said: %s", word, o.Message)
		}
	}
	return o
}

// later sets the controller's clock forward.
func (w *hooking) later(d time.Duration) {
	w.r.Now = func() time.Time { return time.Now().Add(d) }
}

// Hooks run nothing that the tenant's account, by which Flux applies the directory, couldn't run itself.
func TestHooksNeedTheTenantsOwnRightToCreateJobs(t *testing.T) {
	w := aTeam(t)
	u := w.upgrade("orders")
	k, _ := w.fleet(u)
	k.Spec.ServiceAccountName = "tenant"
	o := outcome.Of(access.MayRunJobs(t.Context(), w.Client, u, k), "")
	if o.Reason != v1alpha1.ReasonAccessDenied || !o.Stalled || !strings.Contains(o.Message, w.namespace+"/tenant") || !strings.Contains(o.Message, "may not create Jobs") {
		t.Errorf("%+v", o)
	}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "jobs"}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"batch"}, Resources: []string{"jobs"}, Verbs: []string{"create"}}}}
	w.create(role)
	w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "jobs"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "jobs"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: k.Namespace, Name: "tenant"}}})
	eventually(t, time.Minute, func() bool { return access.MayRunJobs(t.Context(), w.Client, u, k) == nil }, func() string { return "the grant counts" })
	k.Spec.ServiceAccountName = "" // Flux applies it with rights of its own
	w.must(access.MayRunJobs(t.Context(), w.Client, u, k))
}
