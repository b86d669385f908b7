package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestEveryAlertLinksToItsRunbook in docs/alerts.md, which has no other.
func TestEveryAlertLinksToItsRunbook(t *testing.T) {
	page := read(t, "docs/alerts.md")
	var alerts struct {
		Spec struct {
			Groups []struct {
				Rules []struct {
					Alert               string
					Labels, Annotations map[string]string
				}
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "manifests/monitoring/prometheus_rule.yaml")), &alerts); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, group := range alerts.Spec.Groups {
		for _, r := range group.Rules {
			known[r.Alert] = true
			if want := "https://github.com/gitover/gitover/blob/main/docs/alerts.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
				t.Errorf("alert %s links to %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("alert %s doesn't say what it means", r.Alert)
			}
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
				t.Errorf("alert %s has severity %q", r.Alert, r.Labels["severity"])
			}
			_, section, found := strings.Cut(page, "\n## "+r.Alert+"\n")
			section, _, _ = strings.Cut(section, "\n## ")
			for _, part := range []string{"**Means.** ", "**Look.** ", "**Do.** "} {
				if !found || !strings.Contains(section, "\n"+part) {
					t.Errorf("docs/alerts.md doesn't have %q for %s", part, r.Alert)
				}
			}
		}
	}
	for _, heading := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(page, -1) {
		if !known[heading[1]] {
			t.Errorf("docs/alerts.md speaks of %s, which is no alert", heading[1])
		}
	}
	if len(known) < 10 {
		t.Errorf("only %d alerts", len(known))
	}
}
