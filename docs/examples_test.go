package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

func TestTheOverlaysOfTheInstallPageBuild(t *testing.T) {
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	built := 0
	for _, block := range yamlBlocks(read(t, "docs/install.md")) {
		if !strings.HasPrefix(block, "# overlay:") {
			continue
		}
		name, _, _ := strings.Cut(block, "\n")
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			manifests, err := filepath.Rel(dir, filepath.Join(checkout, "manifests"))
			if err != nil {
				t.Fatal(err)
			}
			content := strings.ReplaceAll(block, "../../manifests", manifests)
			if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
			if err != nil {
				t.Fatal(err)
			}
			text, err := resources.AsYaml()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "image: registry.example.com/gitover:v1") {
				t.Error("the overlay does not set the controller's image")
			}
			if strings.Contains(block, "manifests/namespaced") {
				for _, resource := range resources.Resources() {
					if resource.GetNamespace() != "orders" {
						t.Errorf("an installation for the namespace orders has %s", resource.CurId())
					}
				}
			}
		})
		built++
	}
	if built != 2 {
		t.Errorf("%d overlays found, 2 expected", built)
	}
}

func TestEveryFieldThatDocsNameExists(t *testing.T) {
	upgrade, proxy := schema(t, "pgupgrades"), schema(t, "pgproxies")
	// of Flux's GitRepository
	others := map[string]bool{"spec.ref.branch": true}
	for _, page := range pages(t) {
		if page == filepath.Join("docs", "reference.md") {
			continue
		}
		for _, match := range regexp.MustCompile("`((?:PgProxy\\.|PgUpgrade\\.)?(?:spec|status)\\.[A-Za-z.\\[\\]]+)[`:]").FindAllStringSubmatch(read(t, page), -1) {
			path := strings.TrimPrefix(strings.TrimPrefix(match[1], "PgProxy."), "PgUpgrade.")
			if !others[path] && !has(upgrade, path) && !has(proxy, path) && !ofAnOperator(t, path) {
				t.Errorf("%s names the field %s, which neither kind has", page, match[1])
			}
		}
		for _, block := range yamlBlocks(read(t, page)) {
			for document := range strings.SplitSeq(block, "\n---\n") {
				checkDocument(t, page, document, upgrade, proxy)
			}
		}
	}
}

// checkDocument of one of our kinds, or a piece of a PgUpgrade's spec.
func checkDocument(t *testing.T, page, document string, upgrade, proxy *apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	var object map[string]any
	if err := yaml.UnmarshalStrict([]byte(document), &object); err != nil {
		t.Errorf("%s has YAML that can't be read: %v\n%s", page, err, document)
		return
	}
	switch kind := object["kind"]; {
	case kind == "PgProxy":
		known(t, page, "spec", object["spec"], proxy.Properties["spec"])
	case kind == "PgUpgrade", kind == nil && object["spec"] != nil:
		known(t, page, "spec", object["spec"], upgrade.Properties["spec"])
	}
}

// known fails for each key that the schema doesn't have.
func known(t *testing.T, page, path string, value any, schema apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			next, ok := schema.Properties[key]
			if !ok {
				t.Errorf("%s: an example has the field %s.%s, which does not exist", page, path, key)
				continue
			}
			known(t, page, path+"."+key, inner, next)
		}
	case []any:
		for _, inner := range value {
			if schema.Items != nil && schema.Items.Schema != nil {
				known(t, page, path+"[]", inner, *schema.Items.Schema)
			}
		}
	}
}

func has(schema *apiextensionsv1.JSONSchemaProps, path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		list := strings.HasSuffix(name, "[]")
		next, ok := schema.Properties[strings.TrimSuffix(name, "[]")]
		if !ok {
			return false
		}
		schema = &next
		if list && schema.Items != nil {
			schema = schema.Items.Schema
		}
	}
	return true
}

func schema(t *testing.T, plural string) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal([]byte(read(t, "manifests/crd/gitover.dev_"+plural+".yaml")), &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

func yamlBlocks(page string) []string {
	var blocks []string
	for _, match := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```").FindAllStringSubmatch(page, -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}
