package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// mostFiles of a package; its tests are counted apart.
	mostFiles = 30
	// mostLines of a file that people write.
	mostLines = 300
)

func TestPackagesAndFilesAreSmallEnoughToFindOnesWay(t *testing.T) {
	packages := map[string]int{}
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != "..":
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go" || strings.HasPrefix(d.Name(), "zz_generated."):
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if lines := bytes.Count(content, []byte("\n")); lines > mostLines {
			t.Errorf("%s has %d lines, more than %d", path, lines, mostLines)
		}
		kind := " "
		if strings.HasSuffix(path, "_test.go") {
			kind = " (tests) "
		}
		packages[filepath.Dir(path)+kind]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 40 {
		t.Errorf("only %d packages found", len(packages))
	}
	for name, files := range packages {
		if files > mostFiles {
			t.Errorf("%shas %d files, more than %d", name, files, mostFiles)
		}
	}
}
