package docs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// TestASupportedVersionIsSupportedEverywhere: where the table of versions (steps/postgres/versions.go) can't be read, it
// is repeated as it is.
func TestASupportedVersionIsSupportedEverywhere(t *testing.T) {
	var all, quoted []string
	for major := postgres.Oldest; major <= postgres.Latest; major++ {
		all, quoted = append(all, fmt.Sprint(major)), append(quoted, fmt.Sprintf("'%d'", major))
	}
	words := strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
	rule := regexp.QuoteMeta(`self in [`+strings.Join(quoted, ",")+`]`) + `.*` + regexp.QuoteMeta(words)
	for _, file := range []string{"api/v1alpha1/pgupgrade_types.go", "api/v1alpha1/pgupgrade_instances.go"} {
		if !regexp.MustCompile(rule).MatchString(read(t, file)) {
			t.Errorf("the rule for versions in %s doesn't take %s", file, words)
		}
	}
	servers := regexp.MustCompile(`(?m)^SERVERS := .*$`).FindString(read(t, "Makefile"))
	for _, major := range pg.Majors() {
		if !strings.Contains(servers+" ", fmt.Sprintf(" postgres-%d ", major)) {
			t.Errorf("Makefile makes no image of PostgreSQL %d for the tests: %q", major, servers)
		}
	}
}

func TestPagesNameTheSupportedVersions(t *testing.T) {
	for page, text := range map[string]string{
		"docs/install.md": "PostgreSQL %s,", "docs/limits.md": "PostgreSQL %s,", "docs/runbook.md": "names no major version from %s.",
		"docs/preflight.md": "another major version, %s |", "docs/development.md": "PostgreSQL %s, compiled", "test/cluster/README.md": "PostgreSQL %s, compiled",
	} {
		if text = fmt.Sprintf(text, postgres.SupportedVersions()); !strings.Contains(read(t, page), text) {
			t.Errorf("%s doesn't say %q", page, text)
		}
	}
}
