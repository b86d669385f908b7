package screen

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/api/v1alpha1"
)

var update = flag.Bool("update", false, "write testdata/*.txt again")

// moment at which the fixtures are looked at: half a minute after what they tell of, at most.
var moments = map[string]string{"finished": "2026-11-21T08:00:00Z", "finalize": "2026-11-20T17:32:30Z", "rolled-back": "2026-11-20T16:52:00Z", "soak": "2026-11-20T19:00:00Z",
	"soak-analysis":        "2026-11-20T19:00:00Z",
	"soak-rollback-broken": "2026-11-20T19:00:00Z", "fenced": "2026-11-20T16:40:00Z", "copy": "2026-11-20T16:31:44Z", "copy-fails": "2026-11-20T16:31:44Z", "pooler-unreachable": "2026-11-20T16:31:44Z",
	"await-green": "2026-11-20T16:31:15Z", "flux-suspended": "2026-11-20T16:31:45Z", "preflight-blocked": "2026-11-20T16:31:12Z", "verify": "2026-11-20T16:32:05Z", "switching": "2026-11-20T16:32:18Z",
	"revert-cutover": "2026-11-20T16:34:25Z", "abort": "2026-11-20T16:32:50Z"}

func momentOf(t *testing.T, name string) time.Time {
	t.Helper()
	text := moments[name]
	if text == "" {
		text = "2026-11-20T16:33:00Z"
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// fixture of the objects around an upgrade, as an API server gives them.
func fixture(t *testing.T, path string) Objects {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var o Objects
	documents := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(content)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return o
		}
		if err != nil {
			t.Fatal(err)
		}
		var kind struct{ Kind string }
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		var into any
		switch kind.Kind {
		case "PgUpgrade":
			o.Upgrade = &v1alpha1.PgUpgrade{}
			into = o.Upgrade
		case "PgProxy":
			o.Proxy = &v1alpha1.PgProxy{}
			into = o.Proxy
		case "GitRepository":
			o.Source = &sourcev1.GitRepository{}
			into = o.Source
		case "Kustomization":
			o.Kustomization = &kustomizev1.Kustomization{}
			into = o.Kustomization
		default:
			t.Fatalf("%s has a %s", path, kind.Kind)
		}
		if err := yaml.UnmarshalStrict(document, into); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
}

func fixtures(t *testing.T) map[string]Objects {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d fixtures, %v", len(paths), err)
	}
	all := map[string]Objects{}
	for _, path := range paths {
		all[strings.TrimSuffix(filepath.Base(path), ".yaml")] = fixture(t, path)
	}
	return all
}

// TestEachStateFitsATerminal of 80 columns and 24 lines, whatever it can draw, and any other; and is drawn as it was.
func TestEachStateFitsATerminal(t *testing.T) {
	for name, objects := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			report := Of(objects, "gitover")
			at := momentOf(t, name)
			lags := []int64{90000, 40000, 20000, 13024, 13900, 13024}
			for _, size := range [][2]int{{80, 24}, {100, 30}, {200, 60}, {40, 10}, {120, 24}} {
				for _, o := range []Options{{Unicode: true}, {}, {Unicode: true, Color: true}} {
					o.Now, o.Width, o.Height, o.Lags = at, size[0], size[1], lags
					measure(t, Draw(report, o), o)
				}
			}
			drawn := Draw(report, Options{Now: at, Width: 80, Height: 24, Unicode: true, Lags: lags})
			golden(t, name+".txt", strings.Join(drawn, "\n")+"\n")
			if _, err := json.Marshal(report); err != nil {
				t.Error(err)
			}
		})
	}
}

// measure that lines fit, and have nothing that they may not have.
func measure(t *testing.T, lines []string, o Options) {
	t.Helper()
	if len(lines) > o.Height {
		t.Errorf("%d lines on a terminal of %d", len(lines), o.Height)
	}
	for _, line := range lines {
		if w := ansi.StringWidth(line); w > o.Width {
			t.Errorf("%d columns on a terminal of %d: %q", w, o.Width, line)
		}
		bare := ansi.Strip(line)
		if !o.Color && bare != line {
			t.Errorf("colors, without asking: %q", line)
		}
		for _, r := range bare {
			if r < ' ' || r == 0x7f || !o.Unicode && r > 0x7e {
				t.Errorf("%q in %q", r, line)
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s has\n%s\ninstead of\n%s", name, got, want)
	}
}
