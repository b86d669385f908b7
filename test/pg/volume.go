package pg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
)

// Volume is a directory that containers of several versions use one after the other, as the containers of a pod do. A server can
// be started on the data directory that they leave in it.
type Volume struct {
	t   testing.TB
	dir string
}

// NewVolume is an empty one. It is removed when the test ends.
func NewVolume(t testing.TB) *Volume {
	t.Helper()
	return &Volume{t: t, dir: newServer(t, Server{}).dir}
}

// Mounted is where containers find the volume, and Data where a server of it has its data directory.
const (
	Mounted = "/mnt"
	Data    = Mounted + "/data"
)

// Container prepares a script that runs by sh in the image of a major version, with exactly env beside PATH, LANG, HOME and TMPDIR.
// Killing it kills everything that it started.
func (v *Volume) Container(ctx context.Context, major int, env []string, script string) *exec.Cmd {
	v.t.Helper()
	cmd := command(ctx, Rootfs(v.t, major), major, v.dir, "KILL", env, "/bin/sh", "-c", script)
	cmd.Args = append([]string{"unshare", "--pid", "--fork", "--kill-child=KILL", "--"}, cmd.Args...)
	cmd.Cancel = func() error { return cmd.Process.Kill() }
	return cmd
}

// Path on this machine of a file of the volume.
func (v *Volume) Path(name string) string { return filepath.Join(v.dir, name) }

// Empty removes everything that containers left.
func (v *Volume) Empty() {
	v.t.Helper()
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(v.dir, e.Name())); err != nil {
			v.t.Fatal(err)
		}
	}
}

// Start runs a server on the volume's data directory until the test ends.
func (v *Volume) Start(major int, settings Settings) *Server {
	v.t.Helper()
	s := &Server{Major: major, t: v.t, root: Rootfs(v.t, major), dir: v.dir, program: binaries(major) + "/postgres"}
	s.Server = postgres.Server{
		Instance: fmt.Sprintf("test-%d", major), Host: "127.0.0.1", Port: ReservePort(v.t),
		User: "postgres", Password: Password, MaintenanceDatabase: "postgres",
	}
	v.t.Cleanup(s.Kill)
	s.configure(settings)
	s.Run()
	return s
}
