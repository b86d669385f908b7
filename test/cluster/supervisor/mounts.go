package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gitover/gitover/test/cluster/layout"
)

// mount is one line of the node's mount table. A bind mount names a source
// directory and no type.
type mount struct {
	source, target, kind string
	flags                uintptr
	options              string
}

// enterRoot makes the node's own root file system (the node image below, this
// run's changes on top) and moves into it.
func enterRoot(c Config) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	root := filepath.Join(c.Layout.State(), "root")
	if err := mountRoot(c, root); err != nil {
		return err
	}
	for _, m := range nodeMounts(c) {
		if err := m.apply(root); err != nil {
			return err
		}
	}
	if err := mountCgroups(filepath.Join(root, "sys/fs/cgroup")); err != nil {
		return err
	}
	old := filepath.Join(root, "mnt")
	if err := syscall.PivotRoot(root, old); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := syscall.Unmount("/mnt", syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the machine's root: %w", err)
	}
	// Volumes that the kubelet mounts must show in pods, and the other way round.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, ""); err != nil {
		return fmt.Errorf("making mounts shared: %w", err)
	}
	return nil
}

// mountRoot overlays the node image. Where the cache itself lies on an overlay
// (in a container) the kernel refuses that, and a tmpfs takes the changes.
func mountRoot(c Config, root string) error {
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	overlay := func(changes string) error {
		upper, work := filepath.Join(changes, "upper"), filepath.Join(changes, "work")
		for _, dir := range []string{upper, work} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
		options := "lowerdir=" + c.Layout.NodeRootfs() + ",upperdir=" + upper + ",workdir=" + work
		return syscall.Mount("overlay", root, "overlay", 0, options)
	}
	changes := filepath.Join(c.Layout.State(), "changes")
	err := overlay(changes)
	if err == nil {
		return nil
	}
	if err := syscall.Mount("tmpfs", changes, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mounting a tmpfs: %w", err)
	}
	if again := overlay(changes); again != nil {
		return fmt.Errorf("mounting the node's root (needs a kernel with overlayfs): %w", errors.Join(err, again))
	}
	return nil
}

func nodeMounts(c Config) []mount {
	l := c.Layout
	return []mount{
		{"proc", "proc", "proc", 0, ""},
		{"sysfs", "sys", "sysfs", 0, ""},
		{"/dev", "dev", "", 0, ""},
		{"devpts", "dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
		{"tmpfs", "dev/shm", "tmpfs", 0, ""},
		{"tmpfs", "run", "tmpfs", 0, "mode=755"},
		{"tmpfs", "tmp", "tmpfs", 0, "mode=1777"},
		{l.Bin(), layout.NodeBin, "", 0, ""},
		{l.Images(), layout.NodeImages, "", 0, ""},
		{l.NodeDir(), layout.NodeState, "", 0, ""},
		{filepath.Join(l.State(), "kubelet"), "var/lib/kubelet", "", 0, ""},
		{filepath.Join(l.Logs(), "node"), layout.NodeLogs, "", 0, ""},
		{filepath.Join(l.State(), "pods"), "var/log/pods", "", 0, ""},
		{l.Containerd(), "var/lib/containerd", "", 0, ""},
	}
}

func (m mount) apply(root string) error {
	target := filepath.Join(root, m.target)
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	flags := m.flags
	if m.kind == "" {
		flags |= syscall.MS_BIND
		if err := os.MkdirAll(m.source, 0o755); err != nil {
			return err
		}
	}
	if err := syscall.Mount(m.source, target, m.kind, flags, m.options); err != nil {
		return fmt.Errorf("mounting %s: %w", m.target, err)
	}
	return nil
}

// writeFiles writes files of the node's root, making their directories.
func writeFiles(files map[string]string) error {
	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
