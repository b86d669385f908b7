package controllers

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/runtime/conditions"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/metrics"
	"github.com/gitover/gitover/test/apiserver"
	"github.com/gitover/gitover/test/objects"
)

// api is a real API server; nil where none is asked for.
var api *rest.Config

func TestMain(m *testing.M) {
	code := apiserver.Run(m, func(c *rest.Config) { api = c })
	if programDirectory != "" {
		_ = os.RemoveAll(programDirectory)
	}
	os.Exit(code)
}

// team is a namespace on the real API server.
type team struct {
	*testing.T
	client.Client
	namespace string
	recorder  *record.FakeRecorder
	// ahead is how far the controllers' clock is put forward.
	ahead atomic.Int64
	// looks at the PgUpgrades, by name; while the controllers run.
	looks *countingReader
	// metrics that the controllers export; while they run.
	metrics *prometheus.Registry
}

// aTeam has an empty namespace.
func aTeam(t *testing.T) *team {
	t.Helper()
	if api == nil {
		t.Skip("needs GITOVER_INTEGRATION=1 and `make apiserver`")
	}
	scheme := schemeOf(t, clientgoscheme.AddToScheme, v1alpha1.AddToScheme, sourcev1.AddToScheme, kustomizev1.AddToScheme)
	c, err := client.NewWithWatch(api, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return &team{T: t, Client: c, namespace: namespace.Name, recorder: record.NewFakeRecorder(100)}
}

// run the controllers until the test ends, as the program does.
func (w *team) run() {
	w.Helper()
	manager, err := ctrl.NewManager(api, ctrl.Options{
		Scheme: w.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0",
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{w.namespace: {}}},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)}, // one of each name runs per test
	})
	w.must(err)
	w.looks = &countingReader{Reader: manager.GetAPIReader()}
	now := func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
	upgrades := &UpgradeReconciler{Client: manager.GetClient(), Uncached: w.looks, Recorder: w.recorder, CloneDirectory: w.TempDir(), Now: now}
	w.must(upgrades.SetupWithManager(manager, 4))
	proxies := &ProxyReconciler{Client: manager.GetClient(), Uncached: manager.GetAPIReader(), Recorder: w.recorder, Fleet: upgrades, Identity: "me", Now: now}
	w.must(proxies.SetupWithManager(manager, 4))
	w.metrics = prometheus.NewRegistry()
	metrics.Register(w.metrics)
	w.metrics.MustRegister(&metrics.Collector{Reader: manager.GetClient(), Elected: manager.Elected()})
	w.start(manager)
}

// start what runs until the test ends.
func (w *team) start(runs interface {
	Start(ctx context.Context) error
}) {
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runs.Start(ctx) }()
	w.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.Errorf("the controllers ended: %v", err)
		}
	})
}

// countingReader counts how often an object of a name is read.
type countingReader struct {
	client.Reader
	name atomic.Pointer[string]
	n    atomic.Int64
}

func (r *countingReader) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	if watched := r.name.Load(); watched != nil && *watched == key.Name {
		if _, upgrade := into.(*v1alpha1.PgUpgrade); upgrade {
			r.n.Add(1)
		}
	}
	return r.Reader.Get(ctx, key, into, options...)
}

func (w *team) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// upgrade is one that the API server accepts, whose Flux objects are still missing.
func (w *team) upgrade(name string) *v1alpha1.PgUpgrade {
	u := objects.Upgrade()
	u.Namespace, u.Name = w.namespace, name
	u.Spec.Version, u.Spec.ProxyRef.Name, u.Spec.Instance.Base = "15", name, "base"
	u.Spec.Connection.SecretRef.Name = "superuser"
	return u
}

// fleet is the repository that an upgrade may refer to, and Flux's object that delivered it.
func (w *team) fleet(u *v1alpha1.PgUpgrade) (*kustomizev1.Kustomization, *sourcev1.GitRepository) {
	k := objects.Kustomization()
	k.Namespace = w.namespace
	k.Spec.Interval, k.Spec.Prune = metav1.Duration{Duration: time.Minute}, true
	k.Status.Inventory.Entries[0].ID = w.namespace + "_" + u.Name + "_gitover.dev_PgUpgrade"
	k.Status.Conditions[0].Reason, k.Status.Conditions[0].LastTransitionTime = "ReconciliationSucceeded", metav1.Now()
	g := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "fleet"}}
	g.Spec.URL, g.Spec.Interval = "https://git.invalid/fleet.git", metav1.Duration{Duration: time.Minute}
	g.Spec.Reference = &sourcev1.GitRepositoryRef{Branch: "main"}
	return k, g
}

func (w *team) create(o client.Object) {
	w.Helper()
	w.must(w.Create(w.Context(), o))
}

// createWithStatus creates an object with the status that it has here; nobody else may write to it yet.
func (w *team) createWithStatus(o client.Object) {
	w.Helper()
	withStatus := o.DeepCopyObject().(client.Object)
	w.must(w.Create(w.Context(), o))
	withStatus.SetResourceVersion(o.GetResourceVersion())
	withStatus.SetUID(o.GetUID())
	w.must(w.Status().Update(w.Context(), withStatus))
	w.must(w.Get(w.Context(), client.ObjectKeyFromObject(o), o))
}

// soon is before a stalled object would be looked at again by itself.
const soon = 5 * time.Second

// await reads an object until it is as wanted.
func (w *team) await(what string, within time.Duration, o client.Object, wanted func() bool) {
	w.Helper()
	eventually(w.T, within, func() bool {
		w.must(w.Get(w.Context(), client.ObjectKeyFromObject(o), o))
		return wanted()
	}, func() string {
		return fmt.Sprintf("%s; the conditions are %+v", what, o.(conditions.Getter).GetConditions())
	})
}

// awaitGone waits until an object is no longer there.
func (w *team) awaitGone(within time.Duration, o client.Object) {
	w.Helper()
	eventually(w.T, within, func() bool {
		err := w.Get(w.Context(), client.ObjectKeyFromObject(o), o)
		if err != nil && !apierrors.IsNotFound(err) {
			w.Fatal(err)
		}
		return err != nil
	}, func() string {
		return fmt.Sprintf("it is gone; the conditions are %+v", o.(conditions.Getter).GetConditions())
	})
}

// eventually looks again and again, and fails with words for what it waited for, and what there was in its place.
func eventually(t *testing.T, within time.Duration, is func() bool, words func() string) {
	t.Helper()
	for end := time.Now().Add(within); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", within, words())
		}
	}
}

// told: an event of that reason was sent; what came before it is forgotten.
func (w *team) told(reason string) {
	w.Helper()
	for {
		select {
		case e := <-w.recorder.Events:
			if strings.Contains(e, reason) {
				return
			}
		default:
			w.Fatalf("no event says %s", reason)
		}
	}
}

// TestAnotherControllersObjectsAreLeftAlone, also when something that they own leads to them.
func TestAnotherControllersObjectsAreLeftAlone(t *testing.T) {
	w := aTeam(t)
	own, err := labels.Parse("!gitover.dev/controller")
	w.must(err)
	u, p := w.upgrade("orders"), &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "orders"}}
	p.Spec.UpgradeRef.Name, p.Spec.Target = "orders", "orders-15"
	p.Spec.Pooler.Selector = metav1.LabelSelector{MatchLabels: map[string]string{"app": "pooler"}}
	for _, object := range []client.Object{u, p} {
		object.SetLabels(map[string]string{"gitover.dev/controller": "another"})
		w.create(object)
	}
	request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(u)}
	for _, r := range []interface {
		Reconcile(context.Context, ctrl.Request) (ctrl.Result, error)
	}{
		&UpgradeReconciler{Client: w.Client, Uncached: w.Client, Recorder: w.recorder, Now: time.Now, Selector: own},
		&ProxyReconciler{Client: w.Client, Uncached: w.Client, Recorder: w.recorder, Now: time.Now, Selector: own},
	} {
		if result, err := r.Reconcile(t.Context(), request); err != nil || result != (ctrl.Result{}) {
			t.Errorf("%T: %+v, %v", r, result, err)
		}
	}
	for _, object := range []client.Object{u, p} {
		before := object.GetResourceVersion()
		w.must(w.Get(t.Context(), request.NamespacedName, object))
		if object.GetResourceVersion() != before {
			t.Errorf("%T was written to", object)
		}
	}
}
