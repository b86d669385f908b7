package security

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/testenv"
)

const (
	mine, theirs = "tenant-a", "tenant-b"
	platform     = "tenants"
)

// attack is a PgUpgrade by which the team of one namespace reaches for what belongs to
// another's.
type attack struct {
	name, story string
	// byHand: made with kubectl; delivered by the team's own Kustomization otherwise.
	byHand bool
	change func(*v1alpha1.PgUpgrade)
	says   string
}

var attacks = []attack{
	{"path", "the other team's directory", false, func(u *v1alpha1.PgUpgrade) { u.Spec.Git.Path = "apps/" + theirs }, "not below apps/" + mine},
	{"prefix", "a directory whose name begins like one's own", false, func(u *v1alpha1.PgUpgrade) { u.Spec.Git.Path = "apps/" + mine + "b" }, "not below apps/" + mine},
	{"root", "the whole repository", false, func(u *v1alpha1.PgUpgrade) { u.Spec.Git.Path = "." }, "not below apps/" + mine},
	{"branch", "another branch", false, func(u *v1alpha1.PgUpgrade) { u.Spec.Git.Branch = "production" }, "follows main"},
	{"source", "the other team's repository", false, func(u *v1alpha1.PgUpgrade) { u.Spec.Git.SourceRef.Namespace = theirs }, "belong together"},
	{"kustomization", "the other team's Kustomization", false, func(u *v1alpha1.PgUpgrade) {
		u.Spec.Git.KustomizationRef.Namespace, u.Spec.Git.SourceRef.Namespace, u.Spec.Git.Path = theirs, theirs, "apps/"+theirs
	}, "Kustomization tenant-b/orders did not deliver"},
	{"guess", "a guessed name tells as little", false, func(u *v1alpha1.PgUpgrade) {
		u.Spec.Git.KustomizationRef = v1alpha1.ObjectReference{Namespace: theirs, Name: "guessed"}
	}, "Kustomization tenant-b/guessed did not deliver"},
	{"hand", "made with kubectl, for one's own directory", true, func(*v1alpha1.PgUpgrade) {}, "did not deliver"},
	{"labels", "made with kubectl, with Flux's labels", true, func(u *v1alpha1.PgUpgrade) {
		u.Labels["kustomize.toolkit.fluxcd.io/name"], u.Labels["kustomize.toolkit.fluxcd.io/namespace"] = "orders", theirs
		u.Spec.Git.KustomizationRef.Namespace, u.Spec.Git.SourceRef.Namespace, u.Spec.Git.Path = theirs, theirs, "apps/"+theirs
	}, "did not deliver"},
}

// Two teams share a cluster, a Gitover and a repository whose credentials both have. What
// one of them writes into a PgUpgrade gives it neither the other's Secrets nor its
// directory, and tells nothing of them.
func TestATeamCannotReachAnothers(t *testing.T) {
	w := enter(t)
	forTheCluster(t, w)
	b := light(t, w, theirs, testenv.AppOptions{})
	const secret = "only-in-b"
	must(t, b.SetSecret(t.Context(), secret, b.SuperuserSecret()))
	a := light(t, w, mine, deliver(t, attacks))
	before, err := a.Repository.Log(t.Context(), "apps/"+theirs)
	must(t, err)

	for _, x := range attacks {
		if x.byHand {
			must(t, w.Client.Create(t.Context(), x.object()))
		}
	}
	for _, x := range attacks {
		t.Run(x.story, func(t *testing.T) {
			a.Environment = enter(t)
			u := x.object()
			must(t, a.Await(t.Context(), patience, x.name+" is refused", func(ctx context.Context) (bool, string, error) {
				err := a.Client.Get(ctx, client.ObjectKeyFromObject(u), u)
				stalled := condition(u.Status.Conditions, v1alpha1.StalledCondition)
				return stalled.Reason == v1alpha1.ReasonAccessDenied && strings.Contains(stalled.Message, x.says), ready(u).Message, err
			}))
		})
	}
	t.Run("one's own is not refused", func(t *testing.T) {
		must(t, a.AwaitUpgrade(t.Context(), patience, "it waits for its server", func(u *v1alpha1.PgUpgrade) bool {
			return ready(u).Reason == v1alpha1.ReasonUnknownTarget
		}))
	})
	t.Run("the other's server, with the name of its Secret", func(t *testing.T) {
		// the proxy of a's: it leads to an adopted server whose credentials are b's
		must(t, a.AwaitProxy(t.Context(), patience, "the Secret isn't found", func(p *v1alpha1.PgProxy) bool {
			c := condition(p.Status.Conditions, v1alpha1.StalledCondition)
			return c.Reason == v1alpha1.ReasonSecretNotFound && strings.Contains(c.Message, mine+"/"+secret)
		}))
	})
	t.Run("names that are paths", func(t *testing.T) {
		for _, name := range []string{"../" + theirs + "/" + secret, "../../" + theirs + "/secrets/" + secret, theirs + "/" + secret, "%2e%2e%2f" + secret} {
			u := attack{name: "traversal", change: func(u *v1alpha1.PgUpgrade) { u.Spec.Connection.SecretRef.Name = name }}.object()
			if err := w.Client.Create(t.Context(), u, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "secretRef.name") {
				t.Errorf("a Secret called %q: %v", name, err)
			}
		}
		u := attack{name: "traversal", change: func(u *v1alpha1.PgUpgrade) { u.Spec.Git.Path = "apps/" + mine + "/../" + theirs }}.object()
		if err := w.Client.Create(t.Context(), u, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "inside the repository") {
			t.Errorf("a path with ..: %v", err)
		}
	})
	after, err := a.Repository.Log(t.Context(), "apps/"+theirs)
	must(t, err)
	if len(after) != len(before) {
		t.Errorf("somebody wrote the other's directory: %v", after[0])
	}
	tellsNothing(t, w, b.SuperuserSecret()["password"])
}

func (x attack) object() *v1alpha1.PgUpgrade {
	u := &v1alpha1.PgUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: mine, Name: "attack-" + x.name, Labels: map[string]string{testenv.OwnController: platform}}}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("PgUpgrade"))
	u.Spec = attackOf("apps/" + mine)
	x.change(u)
	return u
}

// deliver the attacks by the team's own directory, and have its own upgrade adopt the
// other's server.
func deliver(t *testing.T, attacks []attack) testenv.AppOptions {
	t.Helper()
	var documents []string
	for _, x := range attacks {
		if x.byHand {
			continue
		}
		document, err := yaml.Marshal(x.object())
		must(t, err)
		documents = append(documents, string(document))
	}
	return testenv.AppOptions{Files: map[string]string{"attacks.yaml": strings.Join(documents, "---\n")}, Change: func(file, content string) string {
		switch file {
		case "kustomization.yaml":
			content = strings.Replace(content, "- upgrade.yaml\n", "- upgrade.yaml\n- attacks.yaml\n", 1)
		case "proxy.yaml":
			content = strings.Replace(content, "target: orders-15", "target: legacy", 1)
		case "upgrade.yaml":
			content += "  adopt:\n    name: legacy\n    version: \"15\"\n    host: orders-15." + theirs + ".svc\n    secretRef:\n      name: only-in-b\n"
		}
		return content
	}}
}

// light is a team's namespace and directory without servers and poolers: nothing here
// comes as far as to use one.
func light(t *testing.T, w *testenv.Environment, namespace string, options testenv.AppOptions) *testenv.App {
	t.Helper()
	change := options.Change
	options.Namespace, options.Clone, options.Controller = namespace, t.TempDir(), platform
	options.Change = func(file, content string) string {
		if file == "kustomization.yaml" {
			content = strings.NewReplacer("- pooler\n", "", "- instances/15\n", "").Replace(content)
		}
		if change != nil {
			content = change(file, content)
		}
		return content
	}
	app, err := w.CreateApp(t.Context(), options)
	must(t, err)
	t.Cleanup(func() { must(t, app.Abandon(context.Background())) })
	return app
}

// forTheCluster installs a controller for all namespaces, for the objects of this test:
// the rights of manifests/namespaced, in a ClusterRole.
func forTheCluster(t *testing.T, w *testenv.Environment) {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: platform}}
	must(t, client.IgnoreAlreadyExists(w.Client.Create(t.Context(), namespace)))
	var wide []*unstructured.Unstructured
	t.Cleanup(func() {
		var failed error
		for _, o := range wide {
			failed = errors.Join(failed, client.IgnoreNotFound(w.Client.Delete(context.Background(), o)))
		}
		must(t, errors.Join(failed, client.IgnoreNotFound(w.Client.Delete(context.Background(), namespace))))
	})
	must(t, w.InstallIn(t.Context(), platform, func(o *unstructured.Unstructured) {
		switch {
		case o.GetKind() == "Deployment":
			containers, _, err := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
			must(t, err)
			container := containers[0].(map[string]any)
			args := slices.DeleteFunc(container["args"].([]any), func(arg any) bool {
				return strings.HasPrefix(fmt.Sprint(arg), "--watch-namespace") || arg == "--no-cross-namespace-refs"
			})
			container["args"] = append(args, "--watch-label-selector="+testenv.OwnController+"="+platform)
			must(t, unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers"))
		case strings.HasPrefix(o.GetKind(), "Role") && o.GetName() == controller:
			o.SetKind("Cluster" + o.GetKind())
			o.SetNamespace("")
			o.SetName(platform + "-" + controller)
			if o.GetKind() == "ClusterRoleBinding" {
				must(t, unstructured.SetNestedField(o.Object, "ClusterRole", "roleRef", "kind"))
				must(t, unstructured.SetNestedField(o.Object, platform+"-"+controller, "roleRef", "name"))
			}
			wide = append(wide, o)
		}
	}))
}

// tellsNothing: no object or event of the namespace, and no line of the controller's log,
// has the other's password.
func tellsNothing(t *testing.T, w *testenv.Environment, password string) {
	t.Helper()
	var upgrades v1alpha1.PgUpgradeList
	must(t, w.Client.List(t.Context(), &upgrades, client.InNamespace(mine)))
	var events corev1.EventList
	must(t, w.Client.List(t.Context(), &events, client.InNamespace(mine)))
	var pods corev1.PodList
	must(t, w.Client.List(t.Context(), &pods, client.InNamespace(platform)))
	texts := []string{fmt.Sprint(upgrades), fmt.Sprint(events)}
	for _, pod := range pods.Items {
		log, err := w.Pods.CoreV1().Pods(platform).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
		must(t, err)
		texts = append(texts, string(log))
	}
	for _, text := range texts {
		if strings.Contains(text, password) {
			t.Error("the other's password shows")
		}
	}
}
