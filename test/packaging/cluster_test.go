package packaging

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/apiserver"
)

var config *rest.Config

func TestMain(m *testing.M) {
	os.Exit(apiserver.Run(m, func(c *rest.Config) { config = c }))
}

// cluster of a person who has nothing of Gitover, and a kubeconfig for it.
func cluster(t *testing.T) (client.Client, string) {
	t.Helper()
	if config == nil {
		t.Skip("needs an API server: set GITOVER_INTEGRATION=1")
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	removeKinds(t, c)
	access := clientcmdapi.NewConfig()
	access.Clusters["test"] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	access.AuthInfos["test"] = &clientcmdapi.AuthInfo{ClientCertificateData: config.CertData, ClientKeyData: config.KeyData}
	access.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	access.CurrentContext = "test"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*access, path); err != nil {
		t.Fatal(err)
	}
	return c, path
}

var kinds = []string{"pgproxies.gitover.dev", "pgupgrades.gitover.dev"}

func removeKinds(t *testing.T, c client.Client) {
	t.Helper()
	for _, name := range kinds {
		crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := client.IgnoreNotFound(c.Delete(t.Context(), crd)); err != nil {
			t.Fatal(err)
		}
		await(t, name+" is gone", func(ctx context.Context) bool {
			return apierrors.IsNotFound(c.Get(ctx, client.ObjectKeyFromObject(crd), crd))
		})
	}
}

func await(t *testing.T, what string, is func(context.Context) bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) { return is(ctx), nil })
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// there is the object of this name, or not.
func there(t *testing.T, c client.Client, object client.Object, namespace, name string) bool {
	t.Helper()
	err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object)
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	return err == nil
}

// upgrade that a team has declared; no controller works here.
func upgrade(namespace string) *v1alpha1.PgUpgrade {
	u := &v1alpha1.PgUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders"}}
	u.Spec.Version = "15"
	u.Spec.ProxyRef.Name = "orders"
	u.Spec.Git.SourceRef.Name, u.Spec.Git.KustomizationRef.Name, u.Spec.Git.Path = "fleet", "orders", "apps/orders"
	u.Spec.Connection.SecretRef.Name = "orders-superuser"
	return u
}

// The life of a release: installed, upgraded with another definition of a kind, uninstalled while a database is declared,
// installed again. What people declared is there all the time.
func TestAReleaseIsUpgradedWithItsKindsAndLeavesThemBehind(t *testing.T) {
	c, kubeconfig := cluster(t)
	const namespace = "gitover-system"
	helm := func(args ...string) string {
		t.Helper()
		return runIn(t, []string{"KUBECONFIG=" + kubeconfig}, helmProgram(t), slices.Concat(args, []string{"--namespace", namespace})...)
	}
	helm("install", "gitover", chart, "--create-namespace")
	var deployment appsv1.Deployment
	if !there(t, c, &deployment, namespace, "gitover-controller") {
		t.Fatal("no controller was installed")
	}
	await(t, "a PgUpgrade is declared", func(ctx context.Context) bool { return c.Create(ctx, upgrade("default")) == nil })

	old := t.TempDir()
	copyTree(t, filepath.Join(root, chart), old)
	crd := &apiextensionsv1.CustomResourceDefinition{}
	if !there(t, c, crd, "", "pgupgrades.gitover.dev") {
		t.Fatal("no kinds were installed")
	}
	name := filepath.Join(old, "files", "crds", "gitover.dev_pgupgrades.yaml")
	write(t, name, replaceOnce(t, read(t, name), "    singular: pgupgrade\n", "    singular: pgupgrade\n    shortNames: [pgu]\n"))
	helm("upgrade", "gitover", old)
	if there(t, c, crd, "", "pgupgrades.gitover.dev"); !slices.Contains(crd.Spec.Names.ShortNames, "pgu") {
		t.Error("an upgrade of the release left the old definition of PgUpgrade")
	}

	helm("uninstall", "gitover")
	if there(t, c, &deployment, namespace, "gitover-controller") && deployment.DeletionTimestamp == nil {
		t.Error("the controller is still there")
	}
	if !there(t, c, &v1alpha1.PgUpgrade{}, "default", "orders") {
		t.Error("uninstalling the release deleted what people declared")
	}
	helm("install", "gitover", chart)
	if !there(t, c, &v1alpha1.PgUpgrade{}, "default", "orders") {
		t.Error("installing the release again deleted what people declared")
	}
	helm("uninstall", "gitover")
}

func replaceOnce(t *testing.T, content, from, to string) string {
	t.Helper()
	before, after, found := strings.Cut(content, from)
	if !found {
		t.Fatalf("there is no %q", from)
	}
	return before + to + after
}

// A person who installed by kustomize goes on with Helm: the Deployment and the kinds stay the same objects.
func TestHelmTakesOverWhatKustomizeInstalled(t *testing.T) {
	c, kubeconfig := cluster(t)
	const namespace = "taken-over"
	if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	all := overlay(t, "namespace: "+namespace+"\nresources: [MANIFESTS/default]\n")
	delete(all, "Namespace/"+namespace)
	for _, object := range all {
		if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("kubectl")); err != nil {
			t.Fatal(err)
		}
	}
	var before, after appsv1.Deployment
	there(t, c, &before, namespace, "gitover-controller")
	runIn(t, []string{"KUBECONFIG=" + kubeconfig}, helmProgram(t), "install", "gitover", chart, "--namespace", namespace, "--take-ownership", "--force-conflicts")
	if there(t, c, &after, namespace, "gitover-controller"); after.UID != before.UID || after.Labels["app.kubernetes.io/managed-by"] != "Helm" {
		t.Errorf("the Deployment is another one, or not Helm's: %v", after.Labels)
	}
	runIn(t, []string{"KUBECONFIG=" + kubeconfig}, helmProgram(t), "uninstall", "gitover", "--namespace", namespace)
}
