package supervisor

import (
	"context"
	"encoding/json"
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

// Owner tells, machine-wide, whose stage runs.
type Owner struct {
	PID   int    `json:"pid"`   // of the node's PID 1, as this machine sees it
	Start string `json:"start"` // its start time, so that a reused PID isn't taken for it
	Repo  string `json:"repo"`
}

// Alive tells whether the owner's node still runs.
func (o Owner) Alive() bool {
	start, err := startTime(o.PID)
	return err == nil && start == o.Start
}

// Register records that this machine's stage is the one whose PID 1 is pid.
func Register(pid int, l layout.Layout) error {
	start, err := startTime(pid)
	for patience := time.Now().Add(time.Second); err != nil && time.Now().Before(patience); start, err = startTime(pid) {
		time.Sleep(10 * time.Millisecond) // it looks dead for a moment while it executes its program
	}
	if err != nil {
		return fmt.Errorf("the node ended at once; see %s: %w", filepath.Join(l.Logs(), "node.log"), err)
	}
	content, err := json.Marshal(Owner{PID: pid, Start: start, Repo: l.Repo})
	if err != nil {
		return err
	}
	return os.WriteFile(layout.OwnerFile, content, 0o644)
}

// Registered returns the recorded owner; found is false when there is none.
func Registered() (owner Owner, found bool, err error) {
	content, err := os.ReadFile(layout.OwnerFile)
	if errors.Is(err, fs.ErrNotExist) {
		return owner, false, nil
	}
	if err != nil {
		return owner, false, err
	}
	if err := json.Unmarshal(content, &owner); err != nil {
		return Owner{}, true, nil // half-written: nobody's
	}
	return owner, true, nil
}

// startTime is field 22 of /proc/<pid>/stat.
func startTime(pid int) (string, error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" && !hasThreads(pid) {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return fields[19], nil
}

// hasThreads beside the first, which looks dead for a moment while another one of them executes
// a program.
func hasThreads(pid int) bool {
	tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	return err == nil && len(tasks) > 1
}

// Remove ends the node, if it runs, and takes away what it left on the machine:
// cgroup, cable, owner file. It is the same after an orderly end, a crash or a
// reboot, and harmless when there is nothing.
func Remove(ctx context.Context, l layout.Layout) error {
	owner, found, err := Registered()
	if err != nil {
		return err
	}
	if found && owner.Alive() {
		if err := syscall.Kill(owner.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("ending the node: %w", err)
		}
		ending, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		gone := func(context.Context) error {
			if owner.Alive() {
				return fmt.Errorf("process %d still runs", owner.PID)
			}
			return nil
		}
		if err := until(ending, gone); err != nil {
			return fmt.Errorf("ending the node: %w", err)
		}
	}
	if err := removeCgroups(); err != nil {
		return err
	}
	if err := removeCable(ctx, l); err != nil {
		return err
	}
	if err := os.Remove(layout.OwnerFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeCable removes the veth; it goes with the network namespace, but only
// when the kernel has got round to it.
func removeCable(ctx context.Context, l layout.Layout) error {
	if _, err := os.Stat("/sys/class/net/" + layout.HostLink); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := IP(ctx, l, "link", "delete", layout.HostLink)
	if _, statErr := os.Stat("/sys/class/net/" + layout.HostLink); errors.Is(statErr, fs.ErrNotExist) {
		return nil
	}
	return err
}
