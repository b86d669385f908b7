package packaging

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What `go install github.com/gitover/gitover/cmd/gitover@v0.0.1` does on a machine that has nothing of Gitover, with the
// checkout as the one version that a module proxy has.
func TestTheProgramComesByGoInstall(t *testing.T) {
	if os.Getenv("GITOVER_INTEGRATION") != "1" {
		t.Skip("compiles from an empty module cache: set GITOVER_INTEGRATION=1")
	}
	const module, version = "github.com/gitover/gitover", "v0.0.1"
	proxy, home := t.TempDir(), t.TempDir()
	versions := filepath.Join(proxy, module, "@v")
	if err := os.MkdirAll(versions, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"list": version + "\n", version + ".info": `{"Version":"` + version + `"}`, version + ".mod": read(t, filepath.Join(root, "go.mod"))} {
		if err := os.WriteFile(filepath.Join(versions, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pack(t, filepath.Join(versions, version+".zip"), module+"@"+version+"/")

	cache := strings.TrimSpace(runIn(t, nil, "go", "env", "GOMODCACHE"))
	env := []string{"GOPROXY=file://" + proxy + ",file://" + filepath.Join(cache, "cache", "download"), "GOSUMDB=off", "GOWORK=off", "CGO_ENABLED=0",
		"GOFLAGS=-trimpath -modcacherw", "GOMODCACHE=" + filepath.Join(home, "mod"), "GOBIN=" + filepath.Join(home, "bin")}
	runIn(t, env, "go", "install", module+"/cmd/gitover@"+version)
	if out := runIn(t, nil, filepath.Join(home, "bin", "gitover"), "--version"); !strings.HasSuffix(strings.TrimSpace(out), version) {
		t.Errorf("the installed program says it is %s", out)
	}
}

// pack the module as a proxy serves it: what Git has, without the modules inside.
func pack(t *testing.T, name, prefix string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	archive := zip.NewWriter(file)
	list := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := strings.Fields(string(out))
	inner := []string{}
	for _, file := range files {
		if dir, ok := strings.CutSuffix(file, "/go.mod"); ok {
			inner = append(inner, dir+"/")
		}
	}
	for _, file := range files {
		info, err := os.Stat(filepath.Join(root, file))
		if err != nil || !info.Mode().IsRegular() || within(file, inner) {
			continue // deleted but not committed, a link, of another module
		}
		entry, err := archive.Create(prefix + file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte(read(t, filepath.Join(root, file)))); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
}

func within(file string, dirs []string) bool {
	for _, dir := range dirs {
		if strings.HasPrefix(file, dir) {
			return true
		}
	}
	return false
}
