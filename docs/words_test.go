package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unclear words: those that don't say who acts, and those that send a reader to a dictionary. misspell (.golangci.yml) finds
// the latter in Go; this finds both in pages, queries and manifests, too.
var unclear = regexp.MustCompile(`(?i)\b(nobody|somebody|anew|amidst|hitherto|mend(s|ed|ing)?|whilst|wherein)\b`) //nolint:misspell // these are the words

func TestTheProductSaysWhoActs(t *testing.T) {
	read := map[string]int{}
	for _, root := range []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile", "api", "cmd", "controllers", "docs",
		"examples", "gitops", "internal", "manifests", "steps", "tools"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(path string, d fs.DirEntry, err error) error {
			kind := strings.TrimPrefix(filepath.Ext(path), ".")
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || !slices.Contains([]string{"go", "sql", "md", "yaml", "ini", "conf", "sh", ""}, kind) {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			read[kind]++
			for i, line := range strings.Split(string(content), "\n") {
				if word := unclear.FindString(line); word != "" {
					t.Errorf("%s:%d: %q: say who acts, in a usual word: %s", path, i+1, word, strings.TrimSpace(line))
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read["go"] < 250 || read["sql"] < 100 || read["md"] < 20 || read["yaml"] < 20 {
		t.Errorf("too few files were read: %v", read)
	}
}
