package prometheus

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/template"
	"go.yaml.in/yaml/v3"
)

// story of testdata/alerts.yaml, in the format of promtool's unit tests.
type story struct {
	Name        string `yaml:"name"`
	InputSeries []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	Alerts []struct {
		At     model.Duration `yaml:"eval_time"`
		Name   string         `yaml:"alertname"`
		Expect []expected     `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
}

type expected struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

// interval of samples and of evaluations in stories.
const interval = time.Minute

// TestAlertsAreWhatPrometheusTakes by the check of `promtool check rules`.
func TestAlertsAreWhatPrometheusTakes(t *testing.T) {
	plain, err := yaml.Marshal(rules(t).Spec)
	if err != nil {
		t.Fatal(err)
	}
	_, errs := rulefmt.Parse(plain, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
}

// TestAlertsFireWhenTheyShould by stories: series in, alerts out. promtool itself takes very long to compile; its
// packages do the same here.
func TestAlertsFireWhenTheyShould(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("testdata", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Tests []story `yaml:"tests"`
	}
	if err := yaml.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	alerts := map[string]rule{}
	for _, group := range rules(t).Spec.Groups {
		for _, r := range group.Rules {
			alerts[r.Alert] = r
		}
	}
	fired := map[string]bool{}
	for _, s := range all.Tests {
		t.Run(s.Name, func(t *testing.T) {
			for _, look := range s.Alerts {
				r, known := alerts[look.Name]
				if !known {
					t.Fatalf("there is no alert %s", look.Name)
				}
				got := s.firing(t, r, time.Duration(look.At))
				if len(look.Expect) > 0 {
					fired[look.Name] = true
				}
				if g, w := fmt.Sprint(got), fmt.Sprint(look.Expect); g != w {
					t.Errorf("%s after %s:\n got %s\nwant %s", look.Name, look.At, g, w)
				}
			}
		})
	}
	for name := range alerts {
		if !fired[name] {
			t.Errorf("testdata/alerts.yaml has no story in which %s fires", name)
		}
	}
}

// firing are the alerts of a rule at a time, in the order of their labels: those whose expression has been there at each
// evaluation for as long as the rule says.
func (s story) firing(t *testing.T, r rule, at time.Duration) []expected {
	t.Helper()
	input := "load 1m\n"
	for _, series := range s.InputSeries {
		input += "  " + series.Series + " " + series.Values + "\n"
	}
	suite, err := promqltest.NewLazyLoader(input, promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = suite.Close() }()
	var hold model.Duration
	if r.For != "" {
		if hold, err = model.ParseDuration(r.For); err != nil {
			t.Fatal(err)
		}
	}
	since := map[string]time.Time{}
	var last promql.Vector
	for now := time.Unix(0, 0).UTC(); !now.After(time.Unix(0, 0).Add(at)); now = now.Add(interval) {
		suite.WithSamplesTill(now, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		})
		last = evaluate(t, suite, r.Expr, now)
		still := map[string]time.Time{}
		for _, sample := range last {
			key := sample.Metric.String()
			still[key] = now
			if begun, ok := since[key]; ok {
				still[key] = begun
			}
		}
		since = still
	}
	end := time.Unix(0, 0).UTC().Add(at)
	var found []expected
	for _, sample := range last {
		if end.Sub(since[sample.Metric.String()]) < time.Duration(hold) {
			continue
		}
		e := expected{Labels: maps.Clone(r.Labels), Annotations: map[string]string{}}
		sample.Metric.Range(func(l labels.Label) {
			if l.Name != labels.MetricName {
				e.Labels[l.Name] = l.Value
			}
		})
		for name, text := range r.Annotations {
			e.Annotations[name] = expand(t, text, sample, end)
		}
		found = append(found, e)
	}
	slices.SortFunc(found, func(a, b expected) int { return strings.Compare(fmt.Sprint(a.Labels), fmt.Sprint(b.Labels)) })
	return found
}

func evaluate(t *testing.T, suite *promqltest.LazyLoader, expression string, at time.Time) promql.Vector {
	t.Helper()
	query, err := suite.QueryEngine().NewInstantQuery(t.Context(), suite.Queryable(), nil, expression, at)
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	vector, err := query.Exec(t.Context()).Vector()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(vector)
}

// expand an annotation as Prometheus does.
func expand(t *testing.T, text string, sample promql.Sample, at time.Time) string {
	t.Helper()
	data := template.AlertTemplateData(sample.Metric.Map(), nil, "", sample)
	nothing := func(context.Context, string, time.Time) (promql.Vector, error) { return nil, nil }
	said, err := template.NewTemplateExpander(t.Context(), "{{$labels := .Labels}}{{$value := .Value}}"+text, "alert", data, model.TimeFromUnixNano(at.UnixNano()), nothing, &url.URL{}, nil).Expand()
	if err != nil {
		t.Error(err)
	}
	return said
}
