package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/test/pg"
)

// rendered objects of a directory, by kind and name without the hash of their content; configuration of PgBouncer by its settings.
func rendered(t *testing.T, directory string) map[string]string {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), directory)
	must(t, err)
	hash := regexp.MustCompile(`\bpgbouncer-[a-z0-9]{10}\b`)
	objects := map[string]string{}
	for _, r := range resources.Resources() {
		object, err := r.Map()
		must(t, err)
		if data, ok := object["data"].(map[string]any); ok {
			for key, value := range data {
				data[key] = iniSettings(fmt.Sprint(value))
			}
		}
		text, err := yaml.Marshal(object)
		must(t, err)
		objects[hash.ReplaceAllString(r.GetKind()+"/"+r.GetName(), "pgbouncer")] = hash.ReplaceAllString(string(text), "pgbouncer")
	}
	return objects
}

// iniSettings without comments and blank lines.
func iniSettings(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, ";") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// aRunningDatabase is examples/adopt/before in a namespace of the real API server and in a checkout, as Flux would have applied it.
func aRunningDatabase(t *testing.T) (*fleet, client.Client, string) {
	t.Helper()
	c, namespace := aNamespace(t)
	before := example(t, "adopt/before")
	f := aFleet(t)
	f.git("rm", "-rq", ".")
	files := map[string]string{}
	for name, content := range before {
		files["apps/orders/"+name] = content
	}
	must(t, os.MkdirAll(f.root, 0o755))
	t.Chdir(f.root)
	f.commit("What runs", files)
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(f.root, "apps", "orders"))
	must(t, err)
	for _, r := range resources.Resources() {
		text, err := r.MarshalJSON()
		must(t, err)
		object := &unstructured.Unstructured{}
		must(t, object.UnmarshalJSON(text))
		object.SetNamespace(namespace)
		must(t, c.Create(t.Context(), object))
	}
	must(t, c.Create(t.Context(), superuser(namespace)))
	source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "fleet"}}
	source.Spec.URL, source.Spec.Interval.Duration, source.Spec.Reference = "https://git.invalid/fleet.git", 60_000_000_000, &sourcev1.GitRepositoryRef{Branch: "main"}
	must(t, c.Create(t.Context(), source))
	k := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders"}}
	k.Spec.Path, k.Spec.Prune, k.Spec.Interval = "./apps/orders", true, source.Spec.Interval
	k.Spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "fleet"}
	must(t, c.Create(t.Context(), k))
	return f, c, namespace
}

func superuser(namespace string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "orders-superuser"}, StringData: map[string]string{"username": "postgres", "password": pg.Password}}
}

// TestInitAdoptsWhatRunsAsTheExampleDoes without a single flag but the namespace.
func TestInitAdoptsWhatRunsAsTheExampleDoes(t *testing.T) {
	f, _, namespace := aRunningDatabase(t)
	dry, explained, err := f.types("", "init", "orders", "-n", namespace, "--dry-run")
	if err != nil || f.git("status", "--porcelain") != "" {
		t.Fatalf("a dry run wrote something, or failed: %v\n%s", err, explained)
	}
	for _, want := range []string{"StatefulSet postgres runs PostgreSQL 15", "Service postgres leads to it", "Secret orders-superuser", "Deployment pgbouncer runs PgBouncer",
		"applies apps/orders of GitRepository", "apps/orders/legacy has the manifests", "create Secret fleet-push", "make apps/orders/base"} {
		if !strings.Contains(explained, want) {
			t.Errorf("it doesn't say %q:\n%s", want, explained)
		}
	}
	if strings.Contains(dry+explained, pg.Password) {
		t.Error("it shows the password")
	}
	out, explained, err := f.types("", "init", "orders", "-n", namespace)
	if err != nil {
		t.Fatalf("%v\n%s", err, explained)
	}
	if strings.Count(out, "wrote ") != 5 || strings.Count(out, "added to ") != 3 {
		t.Errorf("it says\n%s", out)
	}
	apps := t.TempDir()
	want := filepath.Join(apps, "orders")
	for _, copied := range []struct{ example, to string }{{"adopt/before", want}, {"adopt/after", want}, {"fleet/apps/components", filepath.Join(apps, "components")}} {
		for name, content := range example(t, copied.example) {
			file := filepath.Join(copied.to, name)
			must(t, os.MkdirAll(filepath.Dir(file), 0o755))
			must(t, os.WriteFile(file, []byte(content), 0o644))
		}
	}
	got, wanted := rendered(t, filepath.Join(f.root, "apps", "orders")), rendered(t, want)
	if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(wanted))) {
		t.Errorf("objects %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(wanted)))
	}
	for name, text := range wanted {
		if got[name] != text {
			t.Errorf("%s is\n%s\nnot\n%s", name, got[name], text)
		}
	}
	f.git("add", "-A")
	if written := f.git("diff", "--cached", "--full-index"); hunkHeading.ReplaceAllString(written, "$1") != hunkHeading.ReplaceAllString(dry, "$1") {
		t.Errorf("the dry run promised\n%s\nand it wrote\n%s", dry, written)
	}
	f.git("commit", "--quiet", "-m", "Adopt orders")
	if _, _, err := f.types("", "init", "orders", "-n", namespace); err == nil || !strings.Contains(err.Error(), "apps/orders/gitover-pooler/agent.yaml, apps/orders/gitover-pooler/kustomization.yaml, apps/orders/gitover-pooler/rbac.yaml, apps/orders/proxy.yaml, apps/orders/upgrade.yaml: there already") {
		t.Errorf("a second time: %v", err)
	}
	if f.git("status", "--porcelain") != "" {
		t.Error("a second time changed something")
	}
}

// TestInitRefusesWhatCannotBeAdopted in one line that says what to do.
func TestInitRefusesWhatCannotBeAdopted(t *testing.T) {
	f, c, namespace := aRunningDatabase(t)
	ctx := t.Context()
	kustomization := func(change func(*kustomizev1.KustomizationSpec)) func() {
		var k kustomizev1.Kustomization
		must(t, c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "orders"}, &k))
		former := k.Spec
		change(&k.Spec)
		must(t, c.Update(ctx, &k))
		return func() {
			must(t, c.Get(ctx, client.ObjectKeyFromObject(&k), &k))
			k.Spec = former
			must(t, c.Update(ctx, &k))
		}
	}
	nothing := func() func() { return func() {} }
	for _, r := range []struct {
		story, args string
		change      func() func()
		says        string
	}{
		{"a StatefulSet that isn't there", "--statefulset orders", nothing, "there are: postgres"},
		{"a Service that isn't there", "--service orders", nothing, "there are: orders-db, postgres"},
		{"a pooler that is no Deployment", "--pooler statefulset/postgres", nothing, "deployment/NAME"},
		{"a Secret that isn't there", "--superuser-secret root", nothing, "kubectl -n " + namespace + " create secret generic root"},
		{"a path that Flux doesn't apply", "--path apps/stock", nothing, "no Kustomization of Flux"},
		{"a version that isn't supported", "--server-version 12", nothing, "13 to 19"},
		{"a Kustomization that waits", "", func() func() { return kustomization(func(s *kustomizev1.KustomizationSpec) { s.Wait = true }) }, "set spec.wait: false"},
		{"a Kustomization that doesn't prune", "", func() func() { return kustomization(func(s *kustomizev1.KustomizationSpec) { s.Prune = false }) }, "set spec.prune: true"},
		{"a Kustomization of a bucket", "", func() func() {
			return kustomization(func(s *kustomizev1.KustomizationSpec) { s.SourceRef.Kind = "Bucket" })
		}, "let it apply a GitRepository"},
		{"a Secret without a name", "", func() func() {
			secret := superuser(namespace)
			must(t, c.Get(ctx, client.ObjectKeyFromObject(secret), secret))
			delete(secret.Data, "username")
			must(t, c.Update(ctx, secret))
			return func() {
				must(t, c.Delete(context.Background(), secret))
				must(t, c.Create(context.Background(), superuser(namespace)))
			}
		}, `has no key "username"`},
		{"a PgBouncer that isn't the first container", "", func() func() {
			var d appsv1.Deployment
			must(t, c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "pgbouncer"}, &d))
			former := d.Spec.DeepCopy()
			d.Spec.Template.Spec.Containers = append([]corev1.Container{{Name: "exporter", Image: "example.com/exporter:1"}}, d.Spec.Template.Spec.Containers...)
			must(t, c.Update(ctx, &d))
			return func() {
				must(t, c.Get(ctx, client.ObjectKeyFromObject(&d), &d))
				d.Spec = *former
				must(t, c.Update(ctx, &d))
			}
		}, "has to be the first"},
		{"changes that aren't committed", "", func() func() {
			file := "apps/orders/kustomization.yaml"
			content, err := os.ReadFile(file)
			must(t, err)
			must(t, os.WriteFile(file, append(content, "# mine\n"...), 0o644))
			return func() { f.git("checkout", "--quiet", file) }
		}, "commit or stash them first"},
	} {
		t.Run(r.story, func(t *testing.T) {
			undo := r.change()
			defer undo()
			left := f.git("status", "--porcelain")
			_, _, err := f.types("", append([]string{"init", "orders", "-n", namespace}, strings.Fields(r.args)...)...)
			if err == nil || !strings.Contains(err.Error(), r.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v; want a line that says %q", err, r.says)
			}
			if f.git("status", "--porcelain") != left {
				t.Error("something was written")
			}
		})
	}
}

// TestInitAsksTheServerItself where a person says how to reach it.
func TestInitAsksTheServerItself(t *testing.T) {
	physical := pg.Start(t, 15, pg.Settings{"wal_level": "replica"})
	logical := pg.Start(t, 17, pg.Logical)
	t.Setenv("PGPASSWORD", pg.Password)
	f, _, namespace := aRunningDatabase(t)
	args := []string{"init", "orders", "-n", namespace, "--dry-run", "--from"}
	if _, _, err := f.types("", append(args, fmt.Sprintf("postgres://postgres@%s/postgres", physical.Address()))...); err == nil || !strings.Contains(err.Error(), "wal_level of postgres is replica") || !strings.Contains(err.Error(), "ALTER SYSTEM SET wal_level = 'logical'") {
		t.Errorf("%v", err)
	}
	out, _, err := f.types("", append(args, fmt.Sprintf("postgres://postgres@%s/postgres", logical.Address()))...)
	if err != nil || !strings.Contains(out, `+  version: "17"`) {
		t.Errorf("the server's own version: %v\n%s", err, out)
	}
}

// TestInitAsksAPersonWhatItCannotTell and takes a name or a number for an answer.
func TestInitAsksAPersonWhatItCannotTell(t *testing.T) {
	f, c, namespace := aRunningDatabase(t)
	var service corev1.Service
	must(t, c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "postgres"}, &service))
	other := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "another"}}
	other.Spec.Selector, other.Spec.Ports = service.Spec.Selector, []corev1.ServicePort{{Port: 5432}}
	must(t, c.Create(t.Context(), other))
	out, asked, err := f.types("2\n", "init", "orders", "-n", namespace, "--dry-run")
	if err != nil || !strings.Contains(asked, "1  another") || !strings.Contains(asked, "2  postgres") || !strings.Contains(out, "+    service: postgres\n") {
		t.Errorf("%v\n%s\n%s", err, asked, out)
	}
	if _, _, err := f.types("", "init", "orders", "-n", namespace, "--dry-run"); err == nil || !strings.Contains(err.Error(), "(another, postgres); name one by --service") {
		t.Errorf("without an answer: %v", err)
	}
}
