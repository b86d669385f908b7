package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAReportHasEveryFigureBesideItsAlternative(t *testing.T) {
	root := t.TempDir()
	r := New("switch", root)
	r.Against("16 clients", "stall", "ms", 30, "a paused pooler", 120)
	r.Add("16 clients", "errors", "", 0)
	var table strings.Builder
	if err := r.Write(root, &table); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, ".cache", "bench", "switch.json"))
	if err != nil {
		t.Fatal(err)
	}
	var read Report
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if read.Name != "switch" || read.Machine == "" || read.Commit != "unknown" || len(read.Rows) != 2 ||
		read.Rows[0] != (Row{"16 clients", "stall", "ms", 30, 120, "a paused pooler", 0.25}) {
		t.Errorf("read back: %+v", read)
	}
	if !strings.Contains(table.String(), "a paused pooler") || !strings.Contains(table.String(), "× 0.25") {
		t.Errorf("table:\n%s", table.String())
	}
}
