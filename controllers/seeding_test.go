package controllers

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/patch"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// seeding is an upgrade of a real server that copies physically, on a real API server. The test is the kubelet: it runs the containers
// of Jobs in the versions' images, and starts green on the volume that they leave.
type seeding struct {
	*team
	r           *UpgradeReconciler
	u           *v1alpha1.PgUpgrade
	seen        *observed
	git         *fleetGit
	blue, green *pg.Server
	volume      *pg.Volume
}

// fleetGit has the StatefulSet that green will be.
type fleetGit struct {
	busyGit
	set    *appsv1.StatefulSet
	serves string
}

func (g *fleetGit) CheckInstance(context.Context) error                      { return nil }
func (g *fleetGit) StatefulSet(context.Context) (*appsv1.StatefulSet, error) { return g.set, nil }
func (g *fleetGit) Targets(_ context.Context, instance string) (bool, error) {
	return instance == g.serves, nil
}

const seedRun = "orders-15-to-orders-17-x"

// aSeed is an upgrade from 15 to 17 at its first step.
func aSeed(t *testing.T, method string) *seeding { return aMove(t, method, 15, 17) }

// aMove to another version, at its first step.
func aMove(t *testing.T, method string, from, to int) *seeding {
	w := &seeding{team: aTeam(t), volume: pg.NewVolume(t)}
	old, fresh := strconv.Itoa(from), strconv.Itoa(to)
	w.blue = pg.Start(t, from, pg.Settings{"wal_level": "logical"})
	w.blue.Exec("", "CREATE DATABASE d")
	w.blue.Exec("d", "CREATE TABLE t (id int PRIMARY KEY, word text UNIQUE); INSERT INTO t SELECT g, 'word ' || g FROM generate_series(1, 5000) g; ANALYZE")
	for name, data := range map[string]map[string]string{"superuser": {"username": "postgres", "password": pg.Password}, "orders-agents": {keyRegisterPassword: pg.AgentPassword}} {
		w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, StringData: data})
	}
	p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "orders"}}
	p.Spec.UpgradeRef.Name, p.Spec.Target, p.Status.Active = "orders", "orders-"+old, "orders-"+old
	p.Spec.Pooler.Selector = metav1.LabelSelector{MatchLabels: map[string]string{"app": "pooler"}}
	w.createWithStatus(p)
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: agentSecretName(p)}, StringData: map[string]string{keyRegisterPassword: pg.AgentPassword}})
	w.u = w.upgrade("orders")
	w.u.Spec.Version, w.u.Spec.Copy.Method = fresh, method
	w.u.Spec.Limits.LagStableFor = &metav1.Duration{Duration: time.Millisecond}
	w.u.Status = v1alpha1.PgUpgradeStatus{Workflow: steps.Upgrade, Step: steps.Preflight, Run: seedRun, From: "orders-" + old, To: "orders-" + fresh, Attempt: 1}
	w.createWithStatus(w.u)
	w.git = &fleetGit{busyGit: busyGit{commits: map[string]bool{}, meanwhile: func() {}}, set: w.statefulSet(fresh), serves: "orders-" + old}
	w.serve(old)

	pods, err := kubernetes.NewForConfig(api)
	w.must(err)
	w.r = &UpgradeReconciler{Client: w.Client, Uncached: w.Client, Pods: pods, Recorder: w.recorder, Now: time.Now,
		fleet: func(*v1alpha1.PgUpgrade) steps.Git { return w.git },
		server: func(instance string) postgres.Server {
			s := w.blue.Server
			if instance == "orders-"+fresh {
				s.Port = 1 // nothing answers there yet
				if w.green != nil {
					s = w.green.Server
				}
			}
			s.Instance = instance
			return s
		}}
	w.r.background.wake = make(chan event.TypedGenericEvent[*v1alpha1.PgUpgrade])
	t.Cleanup(w.r.background.stop)
	w.seen = &observed{facts: steps.Facts{Name: "orders", Wanted: fresh}}
	w.must(w.r.observeProxy(t.Context(), w.u, w.seen))
	return w
}

// statefulSet of the examples, as instances/<version> makes it.
func (w *seeding) statefulSet(version string) *appsv1.StatefulSet {
	w.Helper()
	text, err := os.ReadFile("../examples/fleet/apps/orders/base/statefulset.yaml")
	w.must(err)
	set := &appsv1.StatefulSet{}
	w.must(yaml.Unmarshal(text, set))
	set.Namespace, set.Name = w.namespace, "orders-"+version
	labels := map[string]string{v1alpha1.UpgradeLabel: "orders", v1alpha1.InstanceLabel: set.Name}
	set.Labels, set.Spec.Selector.MatchLabels, set.Spec.Template.Labels = labels, labels, labels
	c := &set.Spec.Template.Spec.Containers[0]
	c.Image = "postgres:" + version
	for i := range c.Env {
		if c.Env[i].Name == "PGDATA" {
			c.Env[i].Value = pg.Data
		}
	}
	c.VolumeMounts[0].MountPath = pg.Mounted
	return set
}

// serve has Flux apply an instance, whose pod is ready at once.
func (w *seeding) serve(version string) {
	w.Helper()
	set := w.statefulSet(version)
	set.Status = appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: 1, ReadyReplicas: 1}
	w.createWithStatus(set)
}

// look as the controller does.
func (w *seeding) look() outcome.Outcome {
	w.Helper()
	return w.r.runWorkflow(w.Context(), w.u, w.seen, patch.NewSerialPatcher(w.u, w.Client))
}

// until a condition of the world, looking again and again.
func (w *seeding) until(what string, is func() bool) {
	w.Helper()
	var last outcome.Outcome
	eventually(w.T, 2*time.Minute, func() bool { last = w.look(); return is() }, func() string {
		return fmt.Sprintf("%s; %s: %+v", what, w.u.Status.Step, last)
	})
}

// job of the physical copy, and whether it is there.
func (w *seeding) job() (*batchv1.Job, bool) {
	w.Helper()
	var jobs batchv1.JobList
	w.must(w.List(w.Context(), &jobs, client.InNamespace(w.namespace)))
	for _, j := range jobs.Items {
		if strings.HasPrefix(j.Name, "gitover-seed-") {
			return &j, true
		}
		w.Errorf("Job %s", j.Name)
	}
	return nil, false
}

// ended gives the Job its end.
func (w *seeding) ended(job *batchv1.Job, condition, before batchv1.JobConditionType, reason string) {
	w.Helper()
	now := metav1.Now()
	job.Status.StartTime = &now
	for _, c := range []batchv1.JobConditionType{before, condition} {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: c, Status: corev1.ConditionTrue, Reason: reason, LastTransitionTime: now, LastProbeTime: now})
	}
	if condition == batchv1.JobComplete {
		job.Status.CompletionTime, job.Status.Succeeded = &now, 1
	}
	w.must(w.Status().Update(w.Context(), job))
}

// runs the containers of the Job's pod, one after the other.
func (w *seeding) runs(job *batchv1.Job) {
	w.Helper()
	pod := job.Spec.Template.Spec
	for _, c := range append(pod.InitContainers, pod.Containers...) {
		if out, err := w.container(c); err != nil {
			w.Fatalf("container %s: %v\n%s", c.Name, err, out)
		}
	}
}

// container runs one of a Job's pod in its image, with what its variables and Secrets say.
func (w *seeding) container(c corev1.Container) (out []byte, err error) {
	w.Helper()
	major, err := strconv.Atoi(strings.TrimPrefix(c.Image, "postgres:"))
	w.must(err)
	var env []string
	for _, e := range c.Env {
		value := strings.ReplaceAll(e.Value, "$$", "$")
		if e.ValueFrom != nil {
			var secret corev1.Secret
			w.must(w.Get(w.Context(), client.ObjectKey{Namespace: w.namespace, Name: e.ValueFrom.SecretKeyRef.Name}, &secret))
			value = string(secret.Data[e.ValueFrom.SecretKeyRef.Key])
		}
		switch e.Name {
		case "HOME", "TMPDIR":
			continue
		case "GITOVER_TOOLS":
			value = pg.Mounted + "/tools"
		}
		env = append(env, e.Name+"="+value)
	}
	script := strings.ReplaceAll(c.Command[len(c.Command)-1], "$$", "$")
	return w.volume.Container(w.Context(), major, env, script).CombinedOutput()
}

func (w *seeding) claims() []corev1.PersistentVolumeClaim {
	w.Helper()
	var claims corev1.PersistentVolumeClaimList
	w.must(w.List(w.Context(), &claims, client.InNamespace(w.namespace)))
	return claims.Items
}

// collect is what Kubernetes' own controllers do with objects that are being deleted.
func (w *seeding) collect() {
	w.Helper()
	for _, c := range w.claims() {
		if c.DeletionTimestamp != nil {
			c.Finalizers = nil
			w.must(client.IgnoreNotFound(w.Update(w.Context(), &c)))
		}
	}
	if j, found := w.job(); found && j.DeletionTimestamp != nil {
		j.Finalizers = nil
		w.must(client.IgnoreNotFound(w.Update(w.Context(), j)))
	}
}

func (w *seeding) nothingLeft() {
	w.Helper()
	if _, found := w.job(); found || len(w.claims()) > 0 {
		w.Errorf("left: Job %t, claims %v", found, w.claims())
	}
	if n := w.blue.Query("d", "SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_publication)"); n != "0" {
		w.Errorf("left on blue: %s slots and publications", n)
	}
}

func (w *seeding) jobs() int {
	w.Helper()
	var jobs batchv1.JobList
	w.must(w.List(w.Context(), &jobs, client.InNamespace(w.namespace)))
	return len(jobs.Items)
}

// stuckPod is the pod of a Job whose image can't be pulled.
func stuckPod(job *batchv1.Job) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: job.Namespace, Name: job.Name, Labels: map[string]string{batchv1.JobNameLabel: job.Name}},
		Spec:       *job.Spec.Template.Spec.DeepCopy(),
	}
	pod.Status.Phase = corev1.PodPending
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{
		Name: "backup", Image: "postgres:15", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}},
	}}
	return pod
}
