package pg

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// Tool runs a program of an image that has no server, as Output does. It skips the test, or fails it under GITOVER_INTEGRATION=1,
// where there is no such image.
func Tool(t testing.TB, image string, env []string, args ...string) string {
	t.Helper()
	root := filepath.Join(repository(t), ".cache", "images", image, "rootfs")
	if _, err := os.Stat(root); err != nil {
		missing(t, "no image "+image+": run `go run ./test/cluster/cmd/stage images "+image+"`")
	}
	return run(t, command(t.Context(), root, newestClient, t.TempDir(), "KILL", env, append([]string{"/usr/bin/env"}, args...)...), args[0])
}

// newestClient programs are in the path of tools.
const newestClient = 18

// OutputIn is Output with a directory that the program sees as /mnt.
func OutputIn(t testing.TB, major int, dir string, env []string, args ...string) string {
	t.Helper()
	return run(t, command(context.WithoutCancel(t.Context()), Rootfs(t, major), major, dir, "KILL", env, append([]string{"/usr/bin/env"}, args...)...), args[0])
}
