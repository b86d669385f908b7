package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/gitover/gitover/test/cluster/layout"
)

const (
	preparedMark = "/run/stage/images-prepared"
	// importedDir records, beside the runtime's own store, which archives are in it.
	importedDir = "/var/lib/containerd/imported"
)

// prepareImages brings the runtime's store, which outlives a run of the stage,
// up to date before the kubelet sees it: containers of an earlier run go, images
// that changed come. A runtime without its Kubernetes interface does this, so
// that nothing of the earlier run is ever taken for a pod.
func prepareImages(ctx context.Context, c Config) error {
	runtime := exec.CommandContext(ctx, "/usr/bin/containerd", "--config", "/etc/containerd/prepare.toml")
	log, err := os.Create(filepath.Join(layout.NodeLogs, "containerd-prepare.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	runtime.Stdout, runtime.Stderr = log, log
	if err := runtime.Start(); err != nil {
		return err
	}
	defer func() {
		_ = runtime.Process.Signal(syscall.SIGTERM)
		_ = runtime.Wait()
	}()
	started, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := until(started, runtimeAnswers); err != nil {
		return fmt.Errorf("containerd doesn't start, see %s: %w", log.Name(), err)
	}
	if err := removeContainers(ctx); err != nil {
		return err
	}
	for _, image := range c.Images {
		if err := ImportImage(ctx, image); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(preparedMark), 0o700); err != nil {
		return err
	}
	return os.WriteFile(preparedMark, nil, 0o600)
}

func runtimeAnswers(ctx context.Context) error {
	connection, err := net.Dial("unix", layout.CRISocket)
	if err != nil {
		return err
	}
	connection.Close()
	_, err = ctr(ctx, "version")
	return err
}

func removeContainers(ctx context.Context) error {
	list, err := ctr(ctx, "containers", "list", "-q")
	if err != nil {
		return err
	}
	if ids := strings.Fields(list); len(ids) > 0 {
		_, err = ctr(ctx, append([]string{"containers", "delete"}, ids...)...)
	}
	return err
}

// ImportImage puts an archive into the runtime's store, unless it is there. It
// runs inside the node.
func ImportImage(ctx context.Context, image Import) error {
	mark := filepath.Join(importedDir, image.Name)
	stored, err := os.ReadFile(mark)
	if err == nil && string(stored) == image.Key {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	archive := filepath.Join(layout.NodeImages, image.Name, "image.tar")
	if _, err := ctr(ctx, "images", "import", "--snapshotter", Snapshotter(), archive); err != nil {
		return fmt.Errorf("importing image %s: %w", image.Name, err)
	}
	if err := os.MkdirAll(importedDir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(mark, []byte(image.Key), 0o644)
}

func ctr(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "/usr/bin/ctr", append([]string{"--namespace", "k8s.io"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
