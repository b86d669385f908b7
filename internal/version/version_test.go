package version_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheProgramsSayTheirVersion that the linker was told.
func TestTheProgramsSayTheirVersion(t *testing.T) {
	for _, program := range []string{"gitover", "gitover-agent"} {
		path := filepath.Join(t.TempDir(), program)
		build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "-ldflags", "-X github.com/gitover/gitover/internal/version.version=v1.2.3", "../../cmd/"+program)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		out, err := exec.CommandContext(t.Context(), path, "--version").Output()
		if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "version v1.2.3") {
			t.Errorf("%s --version: %q, %v", program, out, err)
		}
	}
}
