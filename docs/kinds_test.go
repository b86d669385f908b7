package docs

import (
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/console"
)

// kinds are Kubernetes', Flux's and ours, as their Go types have them.
func kinds() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, sourcev1.AddToScheme, kustomizev1.AddToScheme, v1alpha1.AddToScheme} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}

// resourceNames are the words by which kubectl knows kinds.
func resourceNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, short := range []string{"all", "cm", "crd", "crds", "deploy", "no", "ns", "pdb", "po", "pvc", "sts", "svc", "secret"} {
		names[short] = true
	}
	for kind := range kinds().AllKnownTypes() {
		plural, singular := meta.UnsafeGuessKindToResource(kind)
		names[plural.Resource], names[singular.Resource] = true, true
	}
	for _, plural := range []string{"pgupgrades", "pgproxies"} {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal([]byte(read(t, "manifests/crd/gitover.dev_"+plural+".yaml")), &crd); err != nil {
			t.Fatal(err)
		}
		for _, name := range append(append(crd.Spec.Names.ShortNames, crd.Spec.Names.Categories...), crd.Spec.Names.Plural, crd.Spec.Names.Singular) {
			names[name] = true
		}
	}
	return names
}

// TestYAMLOfPagesIsOfKindsThatExist decodes each whole object strictly into its type: a field that isn't there, or a value of
// another type, fails. A piece of an object says in a comment where it belongs.
func TestYAMLOfPagesIsOfKindsThatExist(t *testing.T) {
	scheme := kinds()
	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})
	whole := 0
	for _, page := range written(t) {
		text := read(t, page)
		for _, block := range yamlBlocks(text) {
			for document := range strings.SplitSeq(block, "\n---\n") {
				var object map[string]any
				if err := yaml.Unmarshal([]byte(document), &object); err != nil || unchecked.MatchString(text[:strings.Index(text, block)-len("```yaml\n")]) {
					continue // TestEveryFieldThatDocsNameExists reads it
				}
				switch {
				case object["kind"] == nil && object["spec"] == nil && !strings.HasPrefix(strings.TrimSpace(document), "#"):
					t.Errorf("%s: a piece of YAML doesn't say where it belongs:\n%s", page, document)
				case object["kind"] == "Kustomization" && strings.HasPrefix(asText(object["apiVersion"]), "kustomize.config.k8s.io/"):
					var k types.Kustomization
					if err := k.Unmarshal([]byte(document)); err != nil {
						t.Errorf("%s: %v:\n%s", page, err, document)
					}
					whole++
				case strings.HasPrefix(asText(object["apiVersion"]), "notification.toolkit.fluxcd.io/"):
					// controllers.TestTheRecipesAreWhatFluxTakes applies these to an API server that has the kinds
				case object["kind"] != nil && object["apiVersion"] != nil:
					if _, _, err := strict.Decode([]byte(document), nil, nil); err != nil {
						t.Errorf("%s: %v:\n%s", page, err, document)
					}
					whole++
				}
			}
		}
	}
	if whole < 4 {
		t.Errorf("only %d objects found", whole)
	}
}

func asText(value any) string {
	text, _ := value.(string)
	return text
}

// TestPatchesOfPagesHaveFieldsThatExist: on the worst night a typo in a merge patch would be ignored in silence.
func TestPatchesOfPagesHaveFieldsThatExist(t *testing.T) {
	found := 0
	for _, page := range []string{"docs/break-glass.md", "docs/runbook.md"} {
		for _, c := range console.Commands(t, page, read(t, page)) {
			at := slices.Index(c.Args, "-p")
			if c.Program != "kubectl" || c.Args[0] != "patch" || at < 0 {
				continue
			}
			found++
			var object any = &v1alpha1.PgProxy{}
			if c.Args[1] == "pgupgrade" {
				object = &v1alpha1.PgUpgrade{}
			}
			if err := yaml.UnmarshalStrict([]byte(c.Args[at+1]), object); err != nil {
				t.Errorf("%s: %q: %v", page, c.Line, err)
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d patches found", found)
	}
}
