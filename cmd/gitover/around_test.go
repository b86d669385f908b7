package main

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
)

// pod of the person's namespace, as a scheduler and a kubelet would have left it.
func (p *person) pod(name string, labels map[string]string, owner *metav1.OwnerReference, containers ...string) *corev1.Pod {
	p.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name, Labels: labels}}
	if owner != nil {
		pod.OwnerReferences = []metav1.OwnerReference{*owner}
	}
	pod.Spec.NodeName = "node-" + p.namespace
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	for _, c := range containers {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: c, Image: "any"})
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: c, Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
	}
	p.createWithStatus(pod)
	return pod
}

// job of a schema copy, with its pod.
func (p *person) job(name string) *batchv1.Job {
	p.Helper()
	ours := map[string]string{v1alpha1.UpgradeLabel: "orders"}
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: name, Labels: ours}}
	job.Spec.Template.Spec = corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "schema", Image: "any"}}}
	p.must(p.Create(p.Context(), job))
	job.Status.Active = 1
	p.must(p.Status().Update(p.Context(), job))
	p.pod(name+"-x1", map[string]string{v1alpha1.UpgradeLabel: "orders", batchv1.JobNameLabel: name}, nil, "schema")
	return job
}

func TestAPersonSeesWhatIsAroundAnUpgrade(t *testing.T) {
	p := aPerson(t)
	p.moment("copy", "orders")
	yes := true
	for _, version := range []string{"15", "17"} {
		labels := map[string]string{v1alpha1.UpgradeLabel: "orders", v1alpha1.InstanceLabel: "orders-" + version}
		set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "db-" + version, Labels: labels}}
		set.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
		set.Spec.Template.Labels = labels
		set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "postgres", Image: "postgres:" + version}}
		p.must(p.Create(t.Context(), set))
		if version == "15" {
			set.Status.Replicas, set.Status.ReadyReplicas = 1, 1
			p.must(p.Status().Update(t.Context(), set))
			p.pod("db-15-0", labels, &metav1.OwnerReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: set.Name, UID: set.UID, Controller: &yes}, "postgres")
		}
	}
	p.job("gitover-before-data-1")
	p.pod("orders-pooler-1", map[string]string{"app.kubernetes.io/name": "orders-pooler"}, nil, "pgbouncer", "gitover-agent")
	p.pod("a-stranger", nil, nil, "app")

	out := p.sees("tree")
	p.has(out, "✗ PgUpgrade "+p.namespace+"/orders", "├─ ✓ GitRepository", "├─ ✓ Kustomization", "├─ ✓ Run orders-15-to-orders-17-tot781", "│  └─ ✓ Job gitover-before-data-1", "│     └─ ✓ Pod gitover-before-data-1-x1",
		"├─ ✓ Instance orders-15", "serves", "│  └─ ✓ StatefulSet db-15", "1/1 ready", "│     └─ ✓ Pod db-15-0", "├─ ✗ Instance orders-17", "0/1 ready", "└─ ✓ PgProxy orders", "   └─ ✓ Pod orders-pooler-1")
	if strings.Contains(out, "stranger") {
		t.Errorf("another's pod is in it:\n%s", out)
	}
	var root struct {
		Kind     string
		Children []struct{ Kind string }
	}
	p.must(json.Unmarshal([]byte(p.sees("tree", "orders", "-o", "json")), &root))
	if root.Kind != "PgUpgrade" || len(root.Children) != 6 {
		t.Errorf("%+v", root)
	}
}

func TestAPersonSeesWhatHasBeen(t *testing.T) {
	p := aPerson(t)
	p.moment("finished", "orders")
	p.has(p.sees("history"), "CUTOVERS", "Finalized", "Aborted", "a41c7e0b", "CommitCutover", "orders: cut over from PostgreSQL 15 to 17", "Switched", "182", "Aborted!")
	p.moment("rolled-back", "stock")
	p.has(p.sees("history", "stock"), "in progress: RolledBack/AwaitDecision, taken back by Ada <ada@example.org> in c0ffee12", "asked for it", `Revert "orders: cut over from PostgreSQL 15 to 17" (Ada`)
	p.moment("not-looked-at", "fresh")
	p.has(p.sees("history", "fresh"), "nothing has been yet")
	p.has(p.sees("history", "orders", "-o", "yaml"), "outcome: Finalized", "heldMicroseconds: 182410")
}

// happens records an event of an object.
func (p *person) happens(kind, name, reason, message string, at time.Time) {
	p.Helper()
	e := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, GenerateName: name + "."}, InvolvedObject: corev1.ObjectReference{Kind: kind, Namespace: p.namespace, Name: name},
		Reason: reason, Message: message, Type: corev1.EventTypeNormal, FirstTimestamp: metav1.NewTime(at), LastTimestamp: metav1.NewTime(at), Count: 1}
	p.must(p.Create(p.Context(), e))
}

func TestAPersonSeesEventsByTimeAndThoseThatCome(t *testing.T) {
	p := aPerson(t)
	p.moment("copy", "orders")
	p.job("gitover-before-data-1")
	now := time.Now()
	p.happens("PgProxy", "orders", "Switched", "third", now)
	p.happens("PgUpgrade", "orders", "Preflight", "first", now.Add(-time.Hour))
	p.happens("Pod", "gitover-before-data-1-x1", "Scheduled", "second", now.Add(-time.Minute))
	p.happens("PgUpgrade", "stock", "Preflight", "of another", now)
	p.happens("Pod", "a-stranger", "Scheduled", "of no upgrade", now)
	out := p.sees("events")
	first, second, third := strings.Index(out, "first"), strings.Index(out, "second"), strings.Index(out, "third")
	if first < 0 || second < first || third < second || strings.Contains(out, "of ") {
		t.Errorf("not the three, by time:\n%s", out)
	}
	p.has(p.sees("events", "-o", "json"), `"reason": "Switched"`)
	b := p.begins("events", "orders", "-w")
	p.await(b, "third")
	p.happens("PgUpgrade", "orders", "CatchUp", "fourth", now.Add(time.Second))
	p.await(b, "fourth")
	if strings.Count(b.String(), "first") != 1 || strings.Count(b.String(), "REASON") != 1 {
		t.Errorf("told twice:\n%s", b)
	}
}

// kubelet answers for the logs of a node's pods, which is all that an API server asks of one here.
func (p *person) kubelet(lines map[string][]string, more <-chan string) {
	p.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.URL.Path, "/") // /containerLogs/NAMESPACE/POD/CONTAINER
		if len(parts) != 5 || parts[1] != "containerLogs" || r.URL.Query().Get("timestamps") != "true" {
			http.NotFound(w, r)
			return
		}
		for _, line := range lines[parts[3]+"/"+parts[4]] {
			_, _ = io.WriteString(w, line+"\n")
		}
		if r.URL.Query().Get("follow") != "true" || parts[4] != "controller" {
			return
		}
		for {
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				return
			case line := <-more:
				_, _ = io.WriteString(w, line+"\n")
			}
		}
	}))
	p.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	p.must(err)
	number, err := strconv.Atoi(port)
	p.must(err)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-" + p.namespace}}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "127.0.0.1"}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = int32(number)
	p.createWithStatus(node)
}

func TestAPersonReadsTheLogsOfAllThatWorksOnAnUpgrade(t *testing.T) {
	p := aPerson(t)
	p.moment("copy", "orders")
	p.refused(exitUnseen, "no pod of the controller", "logs")
	about := func(at, kind, name, what string) string {
		return at + ` {"level":"info","msg":"` + what + `","controllerKind":"` + kind + `","` + kind + `":{"name":"` + name + `","namespace":"` + p.namespace + `"}}`
	}
	more := make(chan string)
	p.kubelet(map[string][]string{
		"gitover-controller-1/controller": {about("2026-11-20T16:31:00.000000001Z", "PgUpgrade", "orders", "step done"), about("2026-11-20T16:31:01.000000001Z", "PgUpgrade", "stock", "another's"),
			about("2026-11-20T16:31:04.000000001Z", "PgProxy", "orders", "last of all"), "2026-11-20T16:31:02.000000001Z starting"},
		"orders-pooler-1/gitover-agent":   {"2026-11-20T16:31:03.000000001Z the agent holds"},
		"gitover-before-data-1-x1/schema": {"2026-11-20T16:31:02.000000001Z pg_dump: ok"},
		"orders-pooler-1/pgbouncer":       {"2026-11-20T16:31:02.000000001Z a client's"},
	}, more)
	p.pod("gitover-controller-1", map[string]string{"app.kubernetes.io/name": "gitover", "app.kubernetes.io/component": "controller"}, nil, "controller")
	p.pod("orders-pooler-1", map[string]string{"app.kubernetes.io/name": "orders-pooler"}, nil, "pgbouncer", "gitover-agent")
	b := p.begins("logs", "-f")
	p.await(b, "last of all")
	p.job("gitover-before-data-1")
	p.await(b, "pg_dump: ok")
	more <- about("2026-11-20T16:31:05.000000001Z", "PgUpgrade", "orders", "it goes on")
	p.await(b, "it goes on")

	var said []string
	for line := range strings.Lines(p.sees("logs", "orders")) {
		where, _, _ := strings.Cut(line, "] ")
		said = append(said, where+"]")
	}
	want := []string{"[pod/gitover-controller-1/controller]", "[pod/gitover-before-data-1-x1/schema]", "[pod/orders-pooler-1/gitover-agent]", "[pod/gitover-controller-1/controller]"}
	if !slices.Equal(said, want) {
		t.Errorf("%v, want %v", said, want)
	}
	if out := p.sees("logs", "orders", "--from", "agents"); out != "[pod/orders-pooler-1/gitover-agent] the agent holds\n" {
		t.Error(out)
	}
}
