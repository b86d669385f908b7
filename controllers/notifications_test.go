package controllers

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/notify"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/switchover"
)

// quiet is a logger that nobody reads; Flux's recorder needs one with a sink.
var quiet = funcr.New(func(string, string) {}, funcr.Options{})

// chat is a webhook that people read, by Flux's generic provider.
type chat struct {
	*httptest.Server
	mu     sync.Mutex
	events []eventv1.Event
}

func newChat(t *testing.T) *chat {
	c := &chat{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e eventv1.Event
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.events = append(c.events, e)
	}))
	t.Cleanup(c.Close)
	return c
}

// said is the first event that holds words; nil if none does.
func (c *chat) said(words string) *eventv1.Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.events {
		if strings.Contains(c.events[i].Message, words) {
			return &c.events[i]
		}
	}
	return nil
}

// notificationController runs Flux's own, and returns the address of its events.
func (w *team) notificationController() string {
	w.Helper()
	program, err := filepath.Abs(filepath.Join("..", ".cache", "bin", "notification-controller"))
	w.must(err)
	if _, err := os.Stat(program); err != nil {
		w.Skip("needs notification-controller; `make apiserver` compiles it")
	}
	kubeconfig := filepath.Join(w.TempDir(), "kubeconfig")
	w.must(clientcmd.WriteToFile(kubeconfigOf(api), kubeconfig))
	addresses := make([]string, 4)
	for i := range addresses {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		w.must(err)
		addresses[i] = listener.Addr().String()
		w.must(listener.Close())
	}
	log, err := os.Create(filepath.Join(w.TempDir(), "log"))
	w.must(err)
	command := exec.Command(program, "--events-addr="+addresses[0], "--health-addr="+addresses[1], "--metrics-addr="+addresses[2], "--receiverAddr="+addresses[3])
	command.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "RUNTIME_NAMESPACE="+w.namespace)
	command.Stdout, command.Stderr = log, log
	w.must(command.Start())
	w.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if said, err := os.ReadFile(log.Name()); w.Failed() && err == nil {
			w.Logf("notification-controller says:\n%s", said)
		}
	})
	eventually(w.T, 60*time.Second, func() bool {
		connection, err := (&net.Dialer{Timeout: time.Second}).DialContext(w.Context(), "tcp", addresses[0])
		if err != nil {
			return false
		}
		_ = connection.Close()
		return true
	}, func() string { return "notification-controller listens" })
	return "http://" + addresses[0] + "/"
}

func kubeconfigOf(c *rest.Config) clientcmdapi.Config {
	k := clientcmdapi.NewConfig()
	k.Clusters["test"] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
	k.AuthInfos["test"] = &clientcmdapi.AuthInfo{ClientCertificateData: c.CertData, ClientKeyData: c.KeyData}
	k.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	k.CurrentContext = "test"
	return *k
}

// apply an object of Flux's, which the API server checks strictly, in this team's namespace.
func (w *team) apply(manifest string) {
	w.Helper()
	o := &unstructured.Unstructured{}
	w.must(yaml.Unmarshal([]byte(manifest), &o.Object))
	o.SetNamespace(w.namespace)
	if err := w.Create(w.Context(), o, client.FieldValidation(metav1.FieldValidationStrict)); err != nil {
		w.Fatalf("%v\n%s", err, manifest)
	}
}

// TestAnAlertOnTheKustomizationHearsOfACutover by Flux's own notification-controller.
func TestAnAlertOnTheKustomizationHearsOfACutover(t *testing.T) {
	w := aTeam(t)
	chat := newChat(t)
	address := w.notificationController()
	w.apply(fmt.Sprintf(`{apiVersion: notification.toolkit.fluxcd.io/v1beta3, kind: Provider, metadata: {name: chat}, spec: {type: generic, address: %q}}`, chat.URL))
	w.apply(`{apiVersion: notification.toolkit.fluxcd.io/v1beta3, kind: Alert, metadata: {name: orders}, spec: {providerRef: {name: chat}, eventSeverity: info,
		eventSources: [{kind: Kustomization, name: orders}], inclusionList: ["^Pg(Upgrade|Proxy) "]}}`)
	u := w.upgrade("orders")
	u.Status = v1alpha1.PgUpgradeStatus{Workflow: steps.Upgrade, Run: "run-1", Attempt: 1, Step: steps.CopyData, From: "orders-15", To: "orders-17",
		Steps: []v1alpha1.StepStatus{{Name: steps.CopyData}}}
	w.createWithStatus(u)
	k, _ := w.fleet(u)
	k.Status.LastAppliedRevision = "main@sha1:0123456789012345678901234567890123456789"
	w.createWithStatus(k)
	p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "orders"}}
	p.Spec.UpgradeRef.Name, p.Spec.Target = "orders", "orders-17"
	p.Spec.Pooler.Selector = metav1.LabelSelector{MatchLabels: map[string]string{"app": "pooler"}}
	w.create(p)

	recorder := w.notifying(address)
	upgrades := &UpgradeReconciler{Client: w.Client, Uncached: w.Client, Recorder: recorder, Now: time.Now}
	upgrades.completeStep(u, steps.Verdict{Message: "28 tables, 132.1 MiB"})
	cutover := v1alpha1.Commit{SHA: "fedcba9876543210fedcba9876543210fedcba98"}
	p.Status.Active = "orders-15"
	p.Status.Switch = &v1alpha1.SwitchStatus{ID: "switch-1", From: "orders-15", To: "orders-17", Commit: &cutover}
	proxies := &ProxyReconciler{Client: w.Client, Uncached: w.Client, Recorder: recorder, Fleet: upgrades, Now: time.Now}
	proxies.switched(t.Context(), &proxyScope{proxy: p, upgrade: u}, switchover.Result{HeldAt: time.Now(), Held: 53 * time.Millisecond})
	// work that goes on is nothing to be told; what waits for a human is
	outcome.EmitEvents(recorder, u, "", outcome.Outcome{Reason: steps.BuildIndexes, Message: "12 of 40 indexes"})
	outcome.EmitEvents(recorder, u, "", outcome.Outcome{Reason: v1alpha1.ReasonPreflightBlocked, Stalled: true, Message: "prepared_transactions blocks"})

	heard := func(words string) *eventv1.Event {
		t.Helper()
		eventually(t, 30*time.Second, func() bool { return chat.said(words) != nil }, func() string { return "the chat hears of " + words })
		e := chat.said(words)
		if e.InvolvedObject.Kind != "Kustomization" || e.InvolvedObject.Name != "orders" || e.InvolvedObject.Namespace != w.namespace || e.ReportingController != "gitover" {
			t.Errorf("%q is about %+v, by %s", e.Message, e.InvolvedObject, e.ReportingController)
		}
		return e
	}
	step := heard("PgUpgrade orders, CopyData: 28 tables, 132.1 MiB")
	if m := step.Metadata; m["run"] != "run-1" || m["step"] != steps.CopyData || m["from"] != "orders-15" || m["to"] != "orders-17" || m["revision"] != k.Status.LastAppliedRevision {
		t.Errorf("metadata of a step: %v", m)
	}
	moved := heard("PgProxy orders, Switched: orders-17 serves instead of orders-15; traffic was held for 53.0 ms")
	if m := moved.Metadata; moved.Reason != "Switched" || moved.Severity != eventv1.EventSeverityInfo || m["revision"] != "sha1:"+cutover.SHA || m["active"] != "orders-17" {
		t.Errorf("the cutover: %s %s %v", moved.Reason, moved.Severity, m)
	}
	if blocked := heard("PgUpgrade orders, PreflightBlocked: prepared_transactions blocks"); blocked.Severity != eventv1.EventSeverityError {
		t.Errorf("what blocks is of severity %s", blocked.Severity)
	}
	if e := chat.said("12 of 40 indexes"); e != nil {
		t.Errorf("the chat hears of %q", e.Message)
	}
}

// notifying is the recorder as the program has it, while the test runs.
func (w *team) notifying(address string) *notify.Recorder {
	w.Helper()
	recorder, err := notify.New(w.recorder, w.Client, w.Scheme(), quiet, address)
	w.must(err)
	w.start(recorder)
	return recorder
}

// TestNoTenantWritesIntoAnothersChat by a PgUpgrade that names the other's Kustomization.
func TestNoTenantWritesIntoAnothersChat(t *testing.T) {
	w, other := aTeam(t), aTeam(t)
	chat := newChat(t)
	recorder := w.notifying(chat.URL)
	u := w.upgrade("orders")
	u.Spec.Git.KustomizationRef.Namespace = other.namespace
	w.create(u)
	k, _ := other.fleet(other.upgrade("orders")) // delivered another of that name
	other.createWithStatus(k)
	recorder.Event(u, corev1.EventTypeWarning, v1alpha1.ReasonFenced, "a forged word")
	// from that Kustomization's own namespace it may be said, and comes after
	theirs := other.upgrade("orders")
	other.create(theirs)
	recorder.Event(theirs, corev1.EventTypeWarning, v1alpha1.ReasonFenced, "a true word")
	eventually(t, soon, func() bool { return chat.said("a true word") != nil }, func() string { return "the chat hears of the other's own" })
	if chat.said("forged") != nil {
		t.Error("it went into the other's chat")
	}
	// once that Kustomization delivers it, it is of one team
	k.Status.Inventory.Entries[0].ID = w.namespace + "_orders_gitover.dev_PgUpgrade"
	w.must(other.Status().Update(t.Context(), k))
	u.Spec.Git.SourceRef.Namespace = other.namespace
	recorder.Event(u, corev1.EventTypeWarning, v1alpha1.ReasonFenced, "a delivered word")
	eventually(t, soon, func() bool { return chat.said("a delivered word") != nil }, func() string { return "the chat hears of what its Kustomization delivered" })
}

// TestALookDoesNotWaitForAChatThatIsDown since a switch may begin in it.
func TestALookDoesNotWaitForAChatThatIsDown(t *testing.T) {
	w := aTeam(t)
	hangs := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs }))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(hangs) })
	u := w.upgrade("orders")
	w.create(u)
	k, _ := w.fleet(u)
	w.createWithStatus(k)
	recorder, err := notify.New(w.recorder, w.Client, w.Scheme(), quiet, silent.URL)
	w.must(err)
	w.recorder.Events = nil // nobody reads these
	begun := time.Now()
	for i := range 1000 {
		recorder.Eventf(u, corev1.EventTypeNormal, "Switching", "event %d", i)
	}
	if took := time.Since(begun); took > soon {
		t.Errorf("1000 events took %s", took)
	}
}

// TestTheRecipesAreWhatFluxTakes in docs/notifications.md.
func TestTheRecipesAreWhatFluxTakes(t *testing.T) {
	w := aTeam(t)
	page, err := os.ReadFile(filepath.Join("..", "docs", "notifications.md"))
	w.must(err)
	applied := map[string]int{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if !strings.HasPrefix(block[1], "apiVersion: ") {
			continue
		}
		for document := range strings.SplitSeq(block[1], "\n---\n") {
			w.apply(document)
			applied[regexp.MustCompile(`(?m)^kind: (\w+)$`).FindStringSubmatch(document)[1]]++
		}
	}
	if applied["Provider"] < 4 || applied["Alert"] < 3 {
		t.Errorf("applied %v", applied)
	}
}
