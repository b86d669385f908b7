package prometheus

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// rule is an alert as the Prometheus operator takes it.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// prometheusRule has what is Prometheus' own in the operator's kind.
type prometheusRule struct {
	Spec struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	} `yaml:"spec"`
}

func rules(t *testing.T) prometheusRule {
	t.Helper()
	var all prometheusRule
	if err := yaml.Unmarshal([]byte(read(t, "manifests/monitoring/prometheus_rule.yaml")), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Spec.Groups) == 0 || len(all.Spec.Groups[0].Rules) < 10 {
		t.Fatalf("few alerts: %+v", all)
	}
	return all
}

// documented are the metrics of docs/operations.md with their labels, which a test there holds against the code.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(gitover_\\w+)` \\| ([^|]*) \\|").FindAllStringSubmatch(read(t, "docs/operations.md"), -1) {
		all[row[1]] = nil
		for _, label := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(row[2], -1) {
			all[row[1]] = append(all[row[1]], label[1])
		}
	}
	if len(all) < 25 {
		t.Fatalf("only %d metrics are documented", len(all))
	}
	return all
}

// foreign metrics are those of the libraries that the controller is made with, with their labels.
var foreign = map[string][]string{
	"leader_election_master_status":             {"name"},
	"controller_runtime_reconcile_errors_total": {"controller"},
	"controller_runtime_reconcile_time_seconds": {"controller"},
	"controller_runtime_active_workers":         {"controller"},
	"workqueue_depth":                           {"name", "controller"},
	"process_resident_memory_bytes":             {},
	"process_cpu_seconds_total":                 {},
	"rest_client_requests_total":                {"code", "method", "host"},
}

// target has the labels that Prometheus itself gives.
var target = []string{"job", "instance", "pod", "namespace"}

// problems of a query: metrics and labels that aren't exported.
func problems(query string, known map[string][]string) (found []string) {
	report := func(format string, arguments ...any) { found = append(found, fmt.Sprintf(format, arguments...)) }
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return []string{err.Error()}
	}
	var carried []string // labels of the query's metrics
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		have, ok := labelsOf(selector.Name, known)
		if !ok {
			report("%s isn't exported", selector.Name)
			return nil
		}
		have = slices.Concat(have, target)
		carried = append(carried, have...)
		for _, m := range selector.LabelMatchers {
			if m.Name != labels.MetricName && !slices.Contains(have, m.Name) {
				report("%s has no label %s", selector.Name, m.Name)
			}
		}
		return nil
	})
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		var grouping []string
		switch n := node.(type) {
		case *parser.AggregateExpr:
			grouping = n.Grouping
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				grouping = slices.Concat(n.VectorMatching.MatchingLabels, n.VectorMatching.Include)
			}
		}
		for _, label := range grouping {
			if !slices.Contains(carried, label) {
				report("no metric has the label %s to group by", label)
			}
		}
		return nil
	})
	return found
}

// labelsOf a series; a histogram has three.
func labelsOf(name string, known map[string][]string) ([]string, bool) {
	if have, ok := known[name]; ok {
		return have, true
	}
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if base, cut := strings.CutSuffix(name, suffix); cut {
			have, ok := known[base]
			return append(slices.Clone(have), "le"), ok
		}
	}
	return nil, false
}

func checkQuery(t *testing.T, where, query string, known map[string][]string) {
	t.Helper()
	for _, problem := range problems(query, known) {
		t.Errorf("%s: %s, in %s", where, problem, query)
	}
}

func exported(t *testing.T) map[string][]string {
	all := documented(t)
	for name, labels := range foreign {
		all[name] = labels
	}
	return all
}

func TestAlertsAskForMetricsThatAreExported(t *testing.T) {
	known := exported(t)
	for _, group := range rules(t).Spec.Groups {
		for _, r := range group.Rules {
			checkQuery(t, "alert "+r.Alert, r.Expr, known)
		}
	}
	// the check finds what it is for
	for _, wrong := range []string{"gitover_upgrade_lagbytes", `gitover_upgrade_lag_bytes{nam="a"}`, "sum by (step) (gitover_upgrade_lag_bytes)"} {
		if len(problems(wrong, known)) == 0 {
			t.Errorf("%s passes", wrong)
		}
	}
}

// TestTheDashboardAsksForMetricsThatAreExported in panels and variables.
func TestTheDashboardAsksForMetricsThatAreExported(t *testing.T) {
	var board struct {
		UID    string
		Panels []struct {
			Title, Type string
			Targets     []struct{ Expr string }
		}
		Annotations struct {
			List []struct{ Name, Expr string }
		}
		Templating struct {
			List []struct {
				Name, Type string
				Query      any
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, "manifests/monitoring/dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	known := exported(t)
	queries := 0
	for _, panel := range board.Panels {
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %q asks for nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			queries++
			checkQuery(t, "panel "+panel.Title, withoutVariables(target.Expr), known)
		}
	}
	for _, annotation := range board.Annotations.List {
		queries++
		checkQuery(t, "annotation "+annotation.Name, withoutVariables(annotation.Expr), known)
	}
	for _, v := range board.Templating.List {
		text, ok := v.Query.(string)
		if v.Type != "query" || !ok {
			continue
		}
		match := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(text)
		if match == nil {
			t.Errorf("variable %s has the query %q", v.Name, text)
			continue
		}
		queries++
		checkQuery(t, "variable "+v.Name, "count by ("+match[2]+") ("+withoutVariables(match[1])+")", known)
	}
	if board.UID == "" || queries < 15 {
		t.Errorf("dashboard %q has %d queries", board.UID, queries)
	}
}

// withoutVariables puts a value in the place of each variable of Grafana's.
func withoutVariables(query string) string {
	query = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$__interval", "1m").Replace(query)
	return regexp.MustCompile(`\$\w+`).ReplaceAllString(query, "x")
}
