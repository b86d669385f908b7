package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/commits"
	"github.com/gitover/gitover/gitops"
)

// operators whose examples were written from their manuals: what makes of each an instance of its own.
var operators = []struct {
	name, kind string
	// version and labels are where the operator's object has the version, and the labels that reach its pods.
	version, labels string
	is              string
	service, secret string
}{
	{"zalando", "postgresql", "{.spec.postgresql.version}", "{.metadata.labels}", "17", "orders-17", "postgres.orders-17.credentials.postgresql.acid.zalan.do"},
	{"crunchy", "PostgresCluster", "{.spec.postgresVersion}", "{.spec.instances[0].metadata.labels}", "17", "orders-17-primary", "orders-17-pguser-postgres"},
	{"percona", "PerconaPGCluster", "{.spec.postgresVersion} {.spec.image}", "{.spec.instances[0].metadata.labels}",
		"17 registry.example.com/percona-distribution-postgresql:17", "orders-17-primary", "orders-17-pguser-postgres"},
	{"stackgres", "SGCluster", "{.spec.postgres.version}", "{.spec.metadata.labels.clusterPods}", "17", "orders-17", "orders-17"},
}

// exampleOf an operator: its PgUpgrade, and its files as a repository has them.
func exampleOf(t *testing.T, operator string) (*v1alpha1.PgUpgrade, *gitops.Tree) {
	t.Helper()
	upgrade := &v1alpha1.PgUpgrade{}
	if err := yaml.UnmarshalStrict([]byte(read(t, "examples/"+operator+"/upgrade.yaml")), upgrade); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"kustomization.yaml": []byte("resources:\n- instances/15\n")}
	directory := filepath.Join(root, "examples", operator)
	err := filepath.WalkDir(directory, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(directory, name)
		if err == nil {
			files[filepath.ToSlash(relative)], err = os.ReadFile(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := gitops.NewTree(files)
	if err != nil {
		t.Fatal(err)
	}
	return upgrade, tree
}

func TestTheExamplesOfOperatorsMakeAClusterOfTheNextVersion(t *testing.T) {
	for _, o := range operators {
		t.Run(o.name, func(t *testing.T) {
			upgrade, tree := exampleOf(t, o.name)
			upgrade.Status.To = "orders-15"
			if drift, err := gitops.InstanceDrift(tree, commits.Instance(upgrade)); err != nil || drift.Missing || drift.Edited {
				t.Errorf("instances/15 isn't what Gitover would write: %v\n%s", err, drift.Diff)
			}
			upgrade.Status.To = "orders-17"
			if err := gitops.AddInstance(commits.Instance(upgrade))(tree); err != nil {
				t.Fatal(err)
			}
			built, err := tree.Build("instances/17")
			if err != nil {
				t.Fatal(err)
			}
			var cluster *unstructured.Unstructured
			for _, object := range built {
				if !strings.HasSuffix(object.GetName(), "-17") {
					t.Errorf("%s %s belongs to no version", object.GetKind(), object.GetName())
				}
				if object.GetKind() == o.kind {
					cluster = object
				}
			}
			if cluster == nil {
				t.Fatalf("no %s among %d objects", o.kind, len(built))
			}
			if got := at(t, cluster, o.version); got != o.is {
				t.Errorf("%s is %s, want %s", o.version, got, o.is)
			}
			for _, label := range []string{"gitover.dev/instance:orders-17", "gitover.dev/upgrade:orders"} {
				if got := at(t, cluster, o.labels); !strings.Contains(strings.ReplaceAll(got, `"`, ""), label) {
					t.Errorf("%s is %s, without %s", o.labels, got, label)
				}
			}
			if endpoint, err := access.EndpointOf(upgrade, "orders-17"); err != nil || endpoint.Host != o.service+"."+upgrade.Namespace+".svc" {
				t.Errorf("Gitover looks for it at %+v, %v", endpoint, err)
			}
			if got := access.SecretNameOf(upgrade, "orders-17"); got != o.secret {
				t.Errorf("Gitover looks for its superuser in Secret %s", got)
			}
			fits(t, "spec", cluster.Object["spec"], schemaOf(t, o.name).Properties["spec"])
		})
	}
}

// schemaOf an operator's kind, cut to what its example uses.
func schemaOf(t *testing.T, operator string) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	schema := &apiextensionsv1.JSONSchemaProps{}
	if err := yaml.UnmarshalStrict([]byte(read(t, "docs/testdata/operators/"+operator+".yaml")), schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// ofAnOperator says whether a kind of one of the operators has a field.
func ofAnOperator(t *testing.T, path string) bool {
	t.Helper()
	for _, o := range operators {
		if has(schemaOf(t, o.name), path) {
			return true
		}
	}
	return false
}

// at gives the JSON of a path in an object.
func at(t *testing.T, object *unstructured.Unstructured, path string) string {
	t.Helper()
	parser := jsonpath.New(path)
	if err := parser.Parse(path); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := parser.Execute(&text, object.Object); err != nil {
		t.Error(err)
	}
	return text.String()
}

// fits fails where a value isn't what an operator's schema wants.
func fits(t *testing.T, path string, value any, schema apiextensionsv1.JSONSchemaProps) {
	t.Helper()
	switch value := value.(type) {
	case map[string]any:
		for _, key := range schema.Required {
			if _, ok := value[key]; !ok {
				t.Errorf("%s lacks %s", path, key)
			}
		}
		for key, inner := range value {
			next, known := schema.Properties[key]
			if more := schema.AdditionalProperties; !known && more != nil && more.Schema != nil {
				next, known = *more.Schema, true
			}
			if known {
				fits(t, path+"."+key, inner, next)
			} else if open := schema.XPreserveUnknownFields; open == nil || !*open {
				t.Errorf("the operator has no field %s.%s", path, key)
			}
		}
	case []any:
		for _, inner := range value {
			fits(t, path+"[]", inner, *schema.Items.Schema)
		}
	}
	want := map[reflect.Kind]string{reflect.Map: "object", reflect.Slice: "array", reflect.String: "string", reflect.Bool: "boolean",
		reflect.Int: "integer", reflect.Int64: "integer", reflect.Float64: "number"}[reflect.ValueOf(value).Kind()]
	if schema.Type != want && !schema.XIntOrString && schema.Type != "" {
		t.Errorf("%s is of type %s, and the operator wants %s", path, want, schema.Type)
	}
	text, isText := value.(string)
	if isText && schema.Pattern != "" && !regexp.MustCompile(schema.Pattern).MatchString(text) {
		t.Errorf("%s: %q doesn't match %s", path, text, schema.Pattern)
	}
	if isText && len(schema.Enum) > 0 && !strings.Contains(enum(schema), `"`+text+`"`) {
		t.Errorf("%s: the operator knows no %q", path, text)
	}
}

// enum is the JSON of the values that a field may have.
func enum(schema apiextensionsv1.JSONSchemaProps) (all string) {
	for _, one := range schema.Enum {
		all += string(one.Raw) + " "
	}
	return all
}
