package postgres_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryQueryHasItsFileAndEveryFileItsQuery: a name without a file would only be noticed when it is asked for.
func TestEveryQueryHasItsFileAndEveryFileItsQuery(t *testing.T) {
	packages, err := filepath.Glob("*/sql")
	must(t, err)
	for _, dir := range append(packages, "sql") {
		sources, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*.go"))
		must(t, err)
		var code strings.Builder
		for _, source := range sources {
			text, err := os.ReadFile(source)
			must(t, err)
			code.Write(text)
		}
		for _, match := range regexp.MustCompile(`\bquery\("([^"]+)"\)`).FindAllStringSubmatch(code.String(), -1) {
			if _, err := os.Stat(filepath.Join(dir, match[1]+".sql")); err != nil {
				t.Errorf("%s: query %q has no file", dir, match[1])
			}
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.sql"))
		must(t, err)
		rules, err := filepath.Glob(filepath.Join(dir, "rules", "*.sql"))
		must(t, err)
		for _, file := range append(files, rules...) {
			name := strings.TrimSuffix(filepath.Base(file), ".sql")
			if !strings.Contains(code.String(), `"`+name+`"`) && !strings.Contains(code.String(), "sql/"+name+".sql") {
				t.Errorf("%s: nothing asks %s.sql", dir, name)
			}
		}
	}
}
