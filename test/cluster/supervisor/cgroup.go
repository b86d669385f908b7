package supervisor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gitover/gitover/test/cluster/layout"
)

const cgroupRoot = "/sys/fs/cgroup"

// cgroupV2 tells whether the machine has the unified hierarchy only. A machine
// with both (hybrid) runs its controllers on v1 and counts as v1.
func cgroupV2() bool {
	_, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers"))
	return err == nil
}

// v1Controllers lists the mounted v1 hierarchies by the name of their directory.
func v1Controllers() ([]string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[2] == "cgroup" && filepath.Dir(fields[1]) == cgroupRoot {
			names = append(names, filepath.Base(fields[1]))
		}
	}
	return names, nil
}

// joinCgroup makes the stage's cgroup in every hierarchy and moves pid into it.
func joinCgroup(pid int) error {
	dirs, err := cgroupDirs()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("cgroup (is %s writable?): %w", cgroupRoot, err)
		}
		// A new v1 cpuset is empty, and an empty one takes no process.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if parent, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file)); err == nil && !cgroupV2() {
				if err := os.WriteFile(filepath.Join(dir, file), parent, 0o644); err != nil {
					return fmt.Errorf("cgroup: %w", err)
				}
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
	}
	return nil
}

func cgroupDirs() ([]string, error) {
	if cgroupV2() {
		return []string{filepath.Join(cgroupRoot, layout.Cgroup)}, nil
	}
	controllers, err := v1Controllers()
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, controller := range controllers {
		dirs = append(dirs, filepath.Join(cgroupRoot, controller, layout.Cgroup))
	}
	return dirs, nil
}

// removeCgroups removes what ended processes left, children first. The kernel
// needs a moment after the last process: it says EBUSY until then.
func removeCgroups() error {
	dirs, err := cgroupDirs()
	if err != nil {
		return err
	}
	for _, top := range dirs {
		if err := removeTree(top, time.Now().Add(10*time.Second)); err != nil {
			return fmt.Errorf("removing cgroup: %w", err)
		}
	}
	return nil
}

func removeTree(dir string, deadline time.Time) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeTree(filepath.Join(dir, entry.Name()), deadline); err != nil {
				return err
			}
		}
	}
	for {
		err := syscall.Rmdir(dir)
		if err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", dir, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// checkCgroupRoot makes sure that this process's cgroup is the root of its cgroup
// namespace: pods made elsewhere would be left behind.
func checkCgroupRoot() error {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(own)) {
		if !strings.HasSuffix(strings.TrimSpace(line), ":/") {
			return fmt.Errorf("the cgroup namespace doesn't begin at the stage's cgroup: %s", strings.TrimSpace(line))
		}
	}
	return nil
}

// mountCgroups mounts, at target, the hierarchies as the node's namespace sees them.
func mountCgroups(target string) error {
	if cgroupV2() {
		if err := syscall.Mount("cgroup2", target, "cgroup2", 0, ""); err != nil {
			return fmt.Errorf("mounting cgroup2: %w", err)
		}
		return delegate(target)
	}
	controllers, err := v1Controllers()
	if err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", target, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mounting %s: %w", target, err)
	}
	for _, controller := range controllers {
		dir := filepath.Join(target, controller)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		options := controller
		if controller == "systemd" {
			options = "none,name=systemd"
		}
		if err := syscall.Mount("cgroup", dir, "cgroup", 0, options); err != nil {
			return fmt.Errorf("mounting cgroup %s: %w", controller, err)
		}
	}
	return nil
}

// delegate lets children of a v2 cgroup have controllers: a cgroup that passes
// controllers on must not hold processes itself.
func delegate(root string) error {
	leaf := filepath.Join(root, "init")
	if err := os.Mkdir(leaf, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), []byte("0"), 0o644); err != nil {
		return fmt.Errorf("cgroup: %w", err)
	}
	available, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for controller := range strings.FieldsSeq(string(available)) {
		if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
			return fmt.Errorf("passing the cgroup controller %s on: %w", controller, err)
		}
	}
	return nil
}
