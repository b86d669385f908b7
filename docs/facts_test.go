package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/controllers/metrics"
	"github.com/gitover/gitover/steps"
)

func TestEveryConditionIsInOperations(t *testing.T) {
	page := read(t, "docs/operations.md")
	conditions := 0
	for name, value := range stringConstants(t, "api/v1alpha1/conditions.go") {
		if !strings.HasSuffix(name, "Condition") {
			continue
		}
		conditions++
		if !strings.Contains(page, "\n| `"+value+"` |") {
			t.Errorf("%s %q has no row in docs/operations.md", name, value)
		}
	}
	if conditions < 7 {
		t.Errorf("only %d conditions found", conditions)
	}
}

func TestEveryStepAndWorkflowIsInConcepts(t *testing.T) {
	page := read(t, "docs/concepts.md")
	for workflow, table := range steps.Workflows {
		if workflow != steps.Upgrade && !strings.Contains(page, "\n| `"+workflow+"` |") {
			t.Errorf("workflow %s has no row in docs/concepts.md", workflow)
		}
		for _, step := range table {
			if !strings.Contains(page, "`"+step.Name+"`") {
				t.Errorf("step %s of workflow %s is not in docs/concepts.md", step.Name, workflow)
			}
		}
	}
}

func TestThePreflightPageHasEveryRuleAsItIs(t *testing.T) {
	page := read(t, "docs/preflight.md")
	rules := regexp.MustCompile(`\{Name: "([a-z0-9_]+)", Severity: (\w+), [^\n]*`).FindAllStringSubmatch(read(t, "steps/postgres/preflight/rules.go"), -1)
	if len(rules) < 20 {
		t.Fatalf("only %d rules found", len(rules))
	}
	for _, rule := range rules {
		severity := strings.ToLower(rule[2])
		if strings.Contains(rule[0], "Firm: true") {
			severity += ", firm"
		}
		if row := "\n| `" + rule[1] + "` | " + severity + " |"; !strings.Contains(page, row) {
			t.Errorf("docs/preflight.md has no row %q", row[1:])
		}
	}
	known := map[string]bool{}
	for _, rule := range rules {
		known[rule[1]] = true
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\|").FindAllStringSubmatch(page, -1) {
		if !known[row[1]] {
			t.Errorf("docs/preflight.md speaks of rule %s, which does not exist", row[1])
		}
	}
}

func TestSecurityGivesTheReasonOfEveryRight(t *testing.T) {
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict([]byte(read(t, "manifests/rbac/role.yaml")), &role); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(read(t, "docs/security.md"), "\n")
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			row := ""
			for _, line := range rows {
				if strings.HasPrefix(line, "| ") && strings.Contains(strings.SplitN(line, "|", 3)[1], "`"+resource+"`") {
					row = line
					break
				}
			}
			for _, verb := range rule.Verbs {
				if cells := strings.Split(row, "|"); len(cells) < 4 || !strings.Contains(cells[2]+",", " "+verb+",") && !strings.Contains(cells[2], " "+verb+" ") {
					t.Errorf("docs/security.md does not say why the controller may %s %s", verb, resource)
				}
			}
		}
	}
}

func TestOperationsHasEveryMetricWithItsLabels(t *testing.T) {
	described := metrics.Described()
	if len(described) < 25 {
		t.Fatalf("only %d metrics", len(described))
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(gitover_\\w+)` \\| ([^|]*) \\|").FindAllStringSubmatch(read(t, "docs/operations.md"), -1) {
		documented[row[1]] = true
		want, exported := described[row[1]]
		if !exported {
			t.Errorf("docs/operations.md speaks of the metric %s, which isn't exported", row[1])
			continue
		}
		if got := strings.ReplaceAll(row[2], "`", ""); got != strings.Join(want, ", ") {
			t.Errorf("docs/operations.md gives %s the labels %s, it has %s", row[1], got, strings.Join(want, ", "))
		}
	}
	for name := range described {
		if !documented[name] {
			t.Errorf("metric %s has no row in docs/operations.md", name)
		}
	}
}

// TestMetricsHaveNamesAsPrometheusWantsThem with their unit, in base units.
func TestMetricsHaveNamesAsPrometheusWantsThem(t *testing.T) {
	named := regexp.MustCompile(`(_total|_seconds|_bytes|_bytes_per_second|_info|_condition|_ready|_poolers|_failures|_attempts|_findings)$`)
	for name := range metrics.Described() {
		if !named.MatchString(name) || strings.HasSuffix(name, "_milliseconds") {
			t.Errorf("%s doesn't say what it counts", name)
		}
	}
}

func TestEveryFlagThatDocsNameExists(t *testing.T) {
	known := map[string]bool{}
	// the pages of commands are generated
	for pattern, flag := range map[string]string{"docs/commands/*.md": `(?m)^ +(?:-\w, )?--([a-z-]+)`, "cmd/gitover-agent/*.go": `Var\w*\([^,]+, "([a-z-]+)"`} {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(files) == 0 {
			t.Fatal("no commands found", err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range regexp.MustCompile(flag).FindAllStringSubmatch(string(content), -1) {
				known[match[1]] = true
			}
		}
	}
	for _, page := range pages(t) {
		for _, match := range regexp.MustCompile("`--([a-z-]+)").FindAllStringSubmatch(read(t, page), -1) {
			if !known[match[1]] {
				t.Errorf("%s names the flag --%s, which no command has", page, match[1])
			}
		}
	}
}

func TestEveryMakeTargetThatDocsNameExists(t *testing.T) {
	targets := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)*):`).FindAllStringSubmatch(read(t, "Makefile"), -1) {
		for target := range strings.FieldsSeq(match[1]) {
			targets[target] = true
		}
	}
	for _, page := range pages(t) {
		for _, match := range regexp.MustCompile("(?m)(?:`|^\\$ (?:sudo )?)make ([a-z][a-z0-9-]*)").FindAllStringSubmatch(read(t, page), -1) {
			if !targets[match[1]] {
				t.Errorf("%s names `make %s`, which the Makefile does not have", page, match[1])
			}
		}
	}
}

// stringConstants of a Go file.
func stringConstants(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if value, ok := spec.Values[0].(*ast.BasicLit); ok && value.Kind == token.STRING {
			if text, err := strconv.Unquote(value.Value); err == nil {
				found[spec.Names[0].Name] = text
			}
		}
		return true
	})
	return found
}
