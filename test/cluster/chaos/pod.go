package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"

	cluster "github.com/gitover/gitover/test/cluster"
)

const ctr = "/usr/bin/ctr"

// ErrNoContainer means that the pod has no container of that name that runs now.
var ErrNoContainer = errors.New("no such running container")

// KillContainer ends a container with SIGKILL, as the OOM killer does; the
// kubelet starts it again in the same pod, on the same volumes. An empty name
// means all containers of the pod.
func KillContainer(ctx context.Context, s *cluster.Stage, namespace, pod, container string) error {
	return eachContainer(ctx, s, namespace, pod, container, func(id string) error {
		_, err := s.Exec(ctx, ctr, "--namespace", "k8s.io", "tasks", "kill", "--all", "--signal", "SIGKILL", id)
		return err
	})
}

// DeletePod removes a pod at once, without a goodbye; its controller makes a new one.
func DeletePod(ctx context.Context, s *cluster.Stage, namespace, pod string) error {
	_, err := s.Kube(ctx, "delete", "pod", "-n", namespace, pod, "--grace-period=0", "--force", "--wait=false")
	return err
}

// PauseContainer freezes all processes of a container (empty: of all containers
// of the pod): connections stay open, nothing answers. Probes fail meanwhile, so
// a liveness probe may end a long pause.
func PauseContainer(ctx context.Context, s *cluster.Stage, namespace, pod, container string) (Heal, error) {
	var paused []string
	resume := func(ctx context.Context) error {
		var failed error
		for _, id := range paused {
			_, err := s.Exec(ctx, ctr, "--namespace", "k8s.io", "tasks", "resume", id)
			if err != nil && !strings.Contains(err.Error(), "not found") && !strings.Contains(err.Error(), "not paused") {
				failed = errors.Join(failed, err)
			}
		}
		paused = nil
		return failed
	}
	err := eachContainer(ctx, s, namespace, pod, container, func(id string) error {
		if _, err := s.Exec(ctx, ctr, "--namespace", "k8s.io", "tasks", "pause", id); err != nil {
			return err
		}
		paused = append(paused, id)
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, resume(ctx))
	}
	return resume, nil
}

// SlowPod lets each container of a pod have no more than the given share of one
// processor, in percent (1 to 99).
func SlowPod(ctx context.Context, s *cluster.Stage, namespace, pod string, percent int) (Heal, error) {
	var cgroups []string
	set := func(ctx context.Context, cgroup, quota string) error {
		// The first file is cgroup v2's, the second v1's.
		_, err := s.Exec(ctx, "sh", "-ec", `
			if [ -e "/sys/fs/cgroup/$1/cpu.max" ]; then echo "$2 100000" > "/sys/fs/cgroup/$1/cpu.max"
			else [ "$2" = max ] && set -- "$1" -1; echo "$2" > "/sys/fs/cgroup/cpu/$1/cpu.cfs_quota_us"; fi`, "sh", cgroup, quota)
		return err
	}
	err := eachContainer(ctx, s, namespace, pod, "", func(id string) error {
		path, err := s.Exec(ctx, "sh", "-ec", `
			pid=$(ctr --namespace k8s.io tasks list | awk -v id="$1" '$1 == id {print $2}')
			sed -n -e 's/^[0-9]*:cpu[,a-z]*://p' -e 's/^0:://p' "/proc/$pid/cgroup" | head -1`, "sh", id)
		if err != nil {
			return err
		}
		cgroups = append(cgroups, strings.TrimSpace(path))
		return set(ctx, strings.TrimSpace(path), fmt.Sprint(percent*1000))
	})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		for _, cgroup := range cgroups {
			// A container that has ended took its limit along.
			if _, err := s.Exec(ctx, "test", "-e", "/sys/fs/cgroup/cpu/"+cgroup, "-o", "-e", "/sys/fs/cgroup/"+cgroup); err != nil {
				continue
			}
			if err := set(ctx, cgroup, "max"); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// eachContainer calls do with the runtime's ID of every matching container that runs.
func eachContainer(ctx context.Context, s *cluster.Stage, namespace, pod, container string, do func(id string) error) error {
	filter := fmt.Sprintf(`labels."io.kubernetes.pod.namespace"==%s,labels."io.kubernetes.pod.name"==%s,labels."io.cri-containerd.kind"==container`, namespace, pod)
	if container != "" {
		filter += `,labels."io.kubernetes.container.name"==` + container
	}
	known, err := s.Exec(ctx, ctr, "--namespace", "k8s.io", "containers", "list", "-q", filter)
	if err != nil {
		return err
	}
	tasks, err := s.Exec(ctx, ctr, "--namespace", "k8s.io", "tasks", "list")
	if err != nil {
		return err
	}
	running := map[string]bool{}
	for line := range strings.Lines(tasks) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[2] != "STOPPED" {
			running[fields[0]] = true
		}
	}
	found := false
	for id := range strings.FieldsSeq(known) {
		if !running[id] {
			continue
		}
		found = true
		if err := do(id); err != nil {
			return fmt.Errorf("container %s of %s/%s: %w", container, namespace, pod, err)
		}
	}
	if !found {
		return fmt.Errorf("%s/%s, container %q: %w", namespace, pod, container, ErrNoContainer)
	}
	return nil
}
