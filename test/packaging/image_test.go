package packaging

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// runIn the checkout; what the program says goes into the failure.
func runIn(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir, command.Env = root, append(os.Environ(), env...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// refused is what a command says that must fail.
func refused(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir, command.Env = root, append(os.Environ(), env...)
	out, err := command.CombinedOutput()
	if err == nil {
		t.Fatalf("%s %s was not refused\n%s", name, strings.Join(args, " "), out)
	}
	return string(out)
}

// A person who has buildah makes the image by one command, as root or without.
func TestTheImageHoldsBothProgramsAndNoRoot(t *testing.T) {
	if _, err := exec.LookPath("buildah"); err != nil || testing.Short() {
		t.Skip("needs buildah, and to compile: apt-get install buildah")
	}
	const image = "localhost/gitover-test:v0"
	t.Cleanup(func() { _ = exec.Command("buildah", "manifest", "rm", image).Run() })
	env := []string{"PLATFORMS=linux/" + runtime.GOARCH, "BUILDER=buildah", "BASE=scratch", "VERSION=v1.2.3"}
	runIn(t, env, "make", "image", "IMAGE="+image, "VERSION=v1.2.3")

	container := strings.TrimSpace(runIn(t, nil, "buildah", "from", image))
	t.Cleanup(func() { _ = exec.Command("buildah", "rm", container).Run() })
	var inspected struct {
		OCIv1 struct {
			Architecture string
			Config       struct {
				User       string
				Entrypoint []string
				Labels     map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(runIn(t, nil, "buildah", "inspect", container)), &inspected); err != nil {
		t.Fatal(err)
	}
	config := inspected.OCIv1.Config
	if config.User != "65532:65532" || !slices.Equal(config.Entrypoint, []string{"/gitover"}) || inspected.OCIv1.Architecture != runtime.GOARCH {
		t.Errorf("the image is for %s, runs %v as %q", inspected.OCIv1.Architecture, config.Entrypoint, config.User)
	}
	if got := config.Labels["org.opencontainers.image.version"]; got != "v1.2.3" {
		t.Errorf("the image says it is version %q", got)
	}
	mounted := strings.TrimSpace(runIn(t, nil, "buildah", "mount", container))
	for _, program := range []string{"gitover", "gitover-agent"} {
		if out := runIn(t, nil, filepath.Join(mounted, program), "--version"); !strings.HasSuffix(strings.TrimSpace(out), "v1.2.3") {
			t.Errorf("%s of the image says it is %s", program, out)
		}
		if out := runIn(t, nil, "file", filepath.Join(mounted, program)); !strings.Contains(out, "statically linked") {
			t.Errorf("%s needs more than the image has: %s", program, out)
		}
	}
}

func TestAnImageWithoutANameOrForAStrangePlatformIsRefused(t *testing.T) {
	for says, args := range map[string][]string{
		"say what to call the image":          {"image"},
		"has no tag":                          {"image", "IMAGE=localhost:5000/gitover"},
		"no image for windows/amd64":          {"image", "IMAGE=gitover:v1", "PLATFORMS=windows/amd64", "BUILDER=buildah"},
		"BUILDER is kaniko: it takes docker,": {"image", "IMAGE=gitover:v1", "BUILDER=kaniko"},
	} {
		if out := refused(t, nil, "make", args...); !strings.Contains(out, says) {
			t.Errorf("make %v does not say %q:\n%s", args, says, out)
		}
	}
}
