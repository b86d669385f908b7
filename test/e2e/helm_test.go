package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/e2eutil"
	"github.com/gitover/gitover/test/e2e/fleet"
	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/pg"
)

// release of Gitover that Helm installs beside the cluster's own, for one app.
type release struct {
	s                *story
	label, namespace string
	values           string
}

func releaseOf(t *testing.T, w *testenv.Environment, label string) *release {
	t.Helper()
	values, err := json.Marshal(testenv.ChartValues(label))
	if err != nil {
		t.Fatal(err)
	}
	r := &release{label: label, namespace: label + "-system", values: filepath.Join(t.TempDir(), "values.json")}
	if err := os.WriteFile(r.values, values, 0o600); err != nil {
		t.Fatal(err)
	}
	e2eutil.Leave(t, func(ctx context.Context) error { return w.Clear(ctx, r.namespace) },
		func(ctx context.Context) error {
			return w.Helm(ctx, "uninstall", label, "--namespace", r.namespace, "--ignore-not-found")
		})
	return r
}

func (r *release) helm(args ...string) {
	r.s.t.Helper()
	r.s.must(r.s.app.Helm(r.s.t.Context(), append(args, "--namespace", r.namespace, "--wait", "--timeout", "3m")...))
}

func (r *release) install() {
	r.s.t.Helper()
	r.helm("install", r.label, testenv.Chart, "--create-namespace", "--values", r.values)
}

// A person installs Gitover by Helm, upgrades it while it copies a database, uninstalls it during the soak, and installs it
// again. Clients notice none of it, and the rollback that was merged meanwhile is done by the new one.
func TestGitoverIsUpgradedWhileItCopiesAndUninstalledDuringTheSoakByHelm(t *testing.T) {
	pg.Long(t)
	t.Parallel()
	w, err := testenv.New(stage, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	r := releaseOf(t, w, "by-helm")
	r.s = &story{t: t, app: &testenv.App{Environment: w}}
	r.install()
	s := begin(t, testenv.AppOptions{Namespace: "helm", Controller: r.label})
	r.s = s
	s.must(s.app.SeedBench(t.Context(), "orders-15", 40))

	s.merge("17")
	s.awaitStep("CopyData", 10*time.Minute)
	r.helm("upgrade", r.label, testenv.Chart, "--reset-then-reuse-values", "--set", "podAnnotations.gitover\\.dev/version=next")
	s.awaitSoak("orders-17")
	s.awaitRollbackPath()

	r.helm("uninstall", r.label)
	s.controllerGoes(r.label)
	s.goesOn(200)
	s.revert(s.newest("CommitCutover"))
	s.must(s.app.AwaitProxy(t.Context(), 2*time.Minute, "Flux applies the revert", func(p *v1alpha1.PgProxy) bool { return p.Spec.Target == "orders-15" }))
	s.goesOn(200)
	if p := s.proxy(); p.Status.Active != "orders-17" || p.DeletionTimestamp != nil {
		t.Errorf("without a controller %q serves, deleted: %v", p.Status.Active, p.DeletionTimestamp)
	}
	u, err := s.app.Upgrade(t.Context())
	s.must(err)
	if u.DeletionTimestamp != nil || u.Status.Step != "Soak" {
		t.Errorf("without a controller the upgrade is at %s, deleted: %v", u.Status.Step, u.DeletionTimestamp)
	}

	r.install()
	s.awaitRolledBack("orders-15")
	s.awaitRollbackPath()
	s.lostNothing("orders-15", 2)
}

// controllerGoes: that of a release doesn't run any more.
func (s *story) controllerGoes(label string) {
	s.t.Helper()
	s.must(s.app.Await(s.t.Context(), 2*time.Minute, "the controller goes", func(ctx context.Context) (bool, string, error) {
		err := s.app.Client.Get(ctx, client.ObjectKey{Namespace: label + "-system", Name: label + "-controller"}, &appsv1.Deployment{})
		return apierrors.IsNotFound(err), "", client.IgnoreNotFound(err)
	}))
}

// goesOn: so many more transactions of clients, whoever is gone.
func (s *story) goesOn(transactions int) {
	s.t.Helper()
	before, _, _ := s.traffic.Count()
	s.must(s.app.Await(s.t.Context(), time.Minute, "clients go on", func(context.Context) (bool, string, error) {
		now, _, _ := s.traffic.Count()
		return now >= before+transactions, "", nil
	}))
}

// Flux installs Gitover by its chart from Git, upgrades it when the chart changes there, and removes it; what it looks after
// stays.
func TestFluxInstallsUpgradesAndRemovesGitoverByHelm(t *testing.T) {
	pg.Long(t)
	if cluster.Existing() {
		t.Skip(cluster.ErrNoStage)
	}
	t.Parallel()
	const label = "by-flux"
	s := &story{t: t, app: found(t, testenv.AppOptions{Namespace: "flux-helm", Controller: label})}
	ctx := t.Context()
	s.must(running.AddHelmController(ctx))
	s.must(s.app.AwaitDeployment(ctx, "flux-system", "helm-controller", 3*time.Minute))
	e2eutil.Leave(t, func(ctx context.Context) error { return s.app.Clear(ctx, label+"-system") })

	asItIs := func(file, content string) (string, string) { return file, content }
	_, err := s.app.Commit(ctx, "Keep Gitover's chart", fleet.Copy(filepath.Join(stage.Checkout, testenv.Chart), testenv.Chart, asItIs))
	if !errors.Is(err, fleet.ErrNothingChanged) {
		s.must(err)
	}
	objects, err := stage.Example("helm", "gitover.yaml")
	s.must(err)
	source, helmRelease := objects[0], objects[1]
	for _, object := range objects {
		object.SetNamespace(s.app.Namespace)
	}
	source.Object["spec"] = map[string]any{
		"interval": "1h", "url": s.app.GitURL, "ref": map[string]any{"branch": "main"}, "secretRef": map[string]any{"name": "fleet-read"},
	}
	spec := helmRelease.Object["spec"].(map[string]any)
	spec["targetNamespace"], spec["values"] = label+"-system", testenv.ChartValues(label)
	s.must(s.app.Apply(ctx, objects))

	s.must(s.awaitRelease(helmRelease, "installs", func(d *appsv1.Deployment) bool { return isOf(d, "0.0.0") }))
	s.must(s.app.AwaitActive(ctx, 5*time.Minute, "orders-15"))

	_, err = s.app.Commit(ctx, "Upgrade Gitover", fleet.Replace(testenv.Chart+"/Chart.yaml", "\nversion: 0.0.0\n", "\nversion: 0.0.1\n"))
	s.must(err)
	s.must(s.app.TellFluxOf(ctx, source.GetName()))
	s.must(s.awaitRelease(helmRelease, "upgrades", func(d *appsv1.Deployment) bool { return isOf(d, "0.0.1") }))

	s.must(s.app.Client.Delete(ctx, helmRelease))
	s.controllerGoes(label)
	if p := s.proxy(); p.DeletionTimestamp != nil || p.Status.Active != "orders-15" {
		t.Errorf("%q serves, deleted: %v", p.Status.Active, p.DeletionTimestamp)
	}
}

// isOf a version of the chart; Flux adds the revision that it comes from.
func isOf(d *appsv1.Deployment, version string) bool {
	label := d.Labels["helm.sh/chart"]
	return label == "gitover-"+version || strings.HasPrefix(label, "gitover-"+version+"_")
}

// awaitRelease waits until Flux says that a HelmRelease is ready, and the Deployment is as it should be.
func (s *story) awaitRelease(helmRelease *unstructured.Unstructured, what string, as func(*appsv1.Deployment) bool) error {
	namespace, _, err := unstructured.NestedString(helmRelease.Object, "spec", "targetNamespace")
	if err != nil {
		return err
	}
	label, _, err := unstructured.NestedString(helmRelease.Object, "spec", "values", "fullname")
	if err != nil {
		return err
	}
	return s.app.Await(s.t.Context(), 5*time.Minute, "Flux "+what+" Gitover", func(ctx context.Context) (bool, string, error) {
		if err := s.app.Client.Get(ctx, client.ObjectKeyFromObject(helmRelease), helmRelease); err != nil {
			return false, "", err
		}
		var status struct {
			Status struct {
				ObservedGeneration int64              `json:"observedGeneration"`
				Conditions         []metav1.Condition `json:"conditions"`
			} `json:"status"`
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(helmRelease.Object, &status); err != nil {
			return false, "", err
		}
		ready := meta.FindStatusCondition(status.Status.Conditions, "Ready")
		if ready == nil || status.Status.ObservedGeneration != helmRelease.GetGeneration() {
			return false, "not seen yet", nil
		}
		var d appsv1.Deployment
		if err := s.app.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: label + "-controller"}, &d); err != nil {
			return false, ready.Message, err
		}
		return ready.Status == metav1.ConditionTrue && as(&d), fmt.Sprintf("%s: %s", ready.Reason, ready.Message), nil
	})
}
