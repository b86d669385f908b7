package packaging

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files again")

// helmProgram of `make .cache/bin/helm`.
func helmProgram(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, ".cache", "bin", "helm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("GITOVER_INTEGRATION") == "1" {
			t.Fatalf("%v: run `make .cache/bin/helm`", err)
		}
		t.Skipf("%v: run `make .cache/bin/helm`", err)
	}
	return path
}

// chart as seen from the checkout.
const chart = "charts/gitover"

// ours are the manifests' image and version.
var ours = []string{"--set", "image.repository=gitover.local/gitover", "--set", "image.tag=dev"}

func template(t *testing.T, namespace string, args ...string) objects {
	t.Helper()
	out := runIn(t, nil, helmProgram(t), slices.Concat([]string{"template", "gitover", chart, "--namespace", namespace, "--kube-version", "1.30.0"}, args)...)
	all, err := decode([]byte(out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return all
}

func TestTheChartIsLikedByHelm(t *testing.T) {
	for _, values := range []string{"", "testdata/full.yaml"} {
		args := []string{"lint", "--strict", chart}
		if values != "" {
			args = append(args, "--values", "test/packaging/"+values)
		}
		runIn(t, nil, helmProgram(t), args...)
	}
}

// A person who changes from kustomize to Helm, or reads the one and uses the other, finds the same objects.
func TestTheChartInstallsWhatTheManifestsInstall(t *testing.T) {
	for base, args := range map[string][]string{"default": nil, "namespaced": {"--set", "namespaced=true", "--set", "crds.install=false"}} {
		t.Run(base, func(t *testing.T) {
			all := template(t, "gitover-system", slices.Concat(ours, args)...)
			manifests := kustomize(t, filepath.Join(root, "manifests", base))
			delete(manifests, "Namespace/gitover-system") // Helm's --create-namespace
			for key, object := range manifests {
				other := all[key]
				if other == nil {
					t.Errorf("the chart has no %s", key)
					continue
				}
				if want, got := text(t, withoutHelm(object)), text(t, withoutHelm(other)); want != got {
					t.Errorf("%s of the manifests:\n%s\nof the chart:\n%s", key, want, got)
				}
			}
			for key := range all {
				if manifests[key] == nil {
					t.Errorf("only the chart has %s", key)
				}
			}
		})
	}
}

// withoutHelm is the object without what Helm adds, and what generators differ in.
func withoutHelm(object *unstructured.Unstructured) *unstructured.Unstructured {
	object = object.DeepCopy()
	metadata := object.Object["metadata"].(map[string]any)
	if labels, ok := metadata["labels"].(map[string]any); ok {
		maps.DeleteFunc(labels, func(key string, _ any) bool {
			return strings.HasPrefix(key, "helm.sh/") || strings.HasPrefix(key, "app.kubernetes.io/")
		})
		if len(labels) == 0 {
			delete(metadata, "labels")
		}
	}
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		delete(annotations, "helm.sh/resource-policy")
	}
	return object
}

func text(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	out, err := yaml.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Each value of the chart is in testdata/full.yaml; what they all make together is in testdata/full.golden.yaml.
func TestEveryValueOfTheChartDoesWhatItSays(t *testing.T) {
	all := template(t, "databases", "--values", "test/packaging/testdata/full.yaml")
	var out bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if object := all[key]; object.GetKind() != "CustomResourceDefinition" {
			out.WriteString("---\n" + text(t, object))
		}
	}
	const golden = "testdata/full.golden.yaml"
	if *update {
		write(t, golden, out.String())
	}
	if want := read(t, golden); want != out.String() {
		t.Errorf("the chart makes other objects; if they are right: go test ./test/packaging -run EveryValue -update\n%s", out.String())
	}
	var defaults, full map[string]any
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(root, chart, "values.yaml"))), &defaults); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(read(t, "testdata/full.yaml")), &full); err != nil {
		t.Fatal(err)
	}
	for _, path := range missing(defaults, full, "") {
		t.Errorf("testdata/full.yaml doesn't set %s", path)
	}
}

// missing are the paths of the first that the second doesn't have.
func missing(defaults, full map[string]any, prefix string) []string {
	var paths []string
	for key, value := range defaults {
		other, ok := full[key]
		if !ok {
			paths = append(paths, prefix+key)
			continue
		}
		inner, isMap := value.(map[string]any)
		if otherInner, ok := other.(map[string]any); ok && isMap && key != "resources" {
			paths = append(paths, missing(inner, otherInner, prefix+key+".")...)
		}
	}
	return paths
}

func TestAValueThatTheChartDoesNotKnowIsRefused(t *testing.T) {
	for set, says := range map[string]string{
		"replica=2":                          "replica",
		"image.repo=example.com/gitover":     "repo",
		"controller.resource.limits.cpu=1":   "resource",
		"replicas=two":                       "replicas",
		"image.digest=latest":                "digest",
		"image.pullPolicy=Sometimes":         "pullPolicy",
		"controller.extraArgs={concurrent}":  "extraArgs",
		"serviceMonitor.interval=often":      "interval",
		"networkPolicy.egressPorts={70000}":  "egressPorts",
		"podDisruptionBudget.minAvailable=1": "minAvailable",
	} {
		out := refused(t, nil, helmProgram(t), "template", "gitover", chart, "--set", set)
		if !strings.Contains(out, "values don't meet the specifications of the schema") || !strings.Contains(out, says) {
			t.Errorf("--set %s: %s", set, out)
		}
	}
}

func TestADigestWinsOverATag(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	all := template(t, "gitover-system", "--set", "image.repository=example.com/gitover", "--set", "image.tag=v9", "--set", "image.digest="+digest)
	if got := text(t, all["Deployment/gitover-controller"]); !strings.Contains(got, "image: example.com/gitover@"+digest+"\n") {
		t.Error(got)
	}
}
