package supervisor

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ownChildren are the names (as the kernel cuts them) of processes that the
// supervisor starts and waits for itself.
var ownChildren = []string{"etcd", "kube-apiserver", "kube-controller", "kube-scheduler", "kube-proxy", "kubelet", "containerd", "stage", "ctr", "ip"}

// reapOrphans collects the exit status of processes whose parents have ended, as
// PID 1 must: the runtime's shims, above all.
func reapOrphans(ctx context.Context) {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	for {
		select {
		case <-ctx.Done():
			return
		case <-children:
		}
		stats, err := filepath.Glob("/proc/[0-9]*/stat")
		if err != nil {
			continue
		}
		for _, path := range stats {
			if pid, orphaned := orphan(path); orphaned {
				var status syscall.WaitStatus
				_, _ = syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
			}
		}
	}
}

// orphan reads /proc/<pid>/stat: `pid (name) state parent …`.
func orphan(path string) (pid int, orphaned bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	head, rest, found := strings.Cut(string(content), " (")
	name, rest, foundEnd := strings.Cut(rest, ") ")
	fields := strings.Fields(rest)
	if !found || !foundEnd || len(fields) < 2 {
		return 0, false
	}
	pid, err = strconv.Atoi(head)
	zombieOfOurs := fields[0] == "Z" && fields[1] == "1" && !slices.Contains(ownChildren, name)
	return pid, err == nil && zombieOfOurs
}
