package nginx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/gitover/gitover/steps/pooler"
)

// master process, by nginx's pid file.
func (d *Driver) master() (int, error) {
	content, err := os.ReadFile(d.PIDFile)
	if err != nil {
		return 0, errors.New("nginx does not run: " + err.Error())
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || pid < 1 {
		return 0, fmt.Errorf("nginx's %s has no process id", d.PIDFile)
	}
	if _, _, err := status(pid); err != nil {
		return 0, fmt.Errorf("nginx's process %d isn't there: the pod needs shareProcessNamespace, and %s must be of the nginx that runs", pid, d.PIDFile)
	}
	return pid, nil
}

// worker processes of a master, with their state as ps shows it.
func workers(master int) (map[int]string, error) {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	found := map[int]string{}
	for _, dir := range all {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if state, parent, err := status(pid); err == nil && parent == master && state != "Z" {
			found[pid] = state
		}
	}
	return found, nil
}

// status of a process: its state's letter, and its parent.
func status(pid int) (state string, parent int, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, err
	}
	_, fields, _ := strings.Cut(string(content), ") ") // the name before may have spaces
	if n, err := fmt.Sscanf(fields, "%s %d", &state, &parent); n != 2 {
		return "", 0, err
	}
	return state, parent, nil
}

// send a signal; a process that is gone is no error.
func send(pid int, signal syscall.Signal) error {
	err := syscall.Kill(pid, signal)
	if errors.Is(err, syscall.EPERM) {
		return &pooler.RefusedError{Message: "the agent may not signal nginx: both containers need the same runAsUser", Cause: err}
	}
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
