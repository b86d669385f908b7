package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// summary tells what was reached: time, memory, and how to get in.
func (s *Stage) summary() error {
	processes, err := s.Memory()
	if err != nil {
		return err
	}
	var total int64
	for _, p := range processes {
		total += p.Bytes
	}
	s.report.Say("ready after %.1f s; %d processes hold %.2f GiB", s.report.Elapsed().Seconds(), len(processes), float64(total)/(1<<30))
	s.report.Say("export KUBECONFIG=%s", s.Kubeconfig)
	s.report.Say("kubectl: %s   Git: %s", s.Kubectl, s.Git.HostURL())
	return nil
}

// Process is one process of the node.
type Process struct {
	PID   int // as this machine sees it
	Name  string
	Bytes int64 // proportional set size: shared pages count once over all
}

// Memory lists the node's processes, the largest first.
func (s *Stage) Memory() ([]Process, error) {
	if s.pid == 0 {
		return nil, ErrNotRunning
	}
	node, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", s.pid))
	if err != nil {
		return nil, err
	}
	namespaces, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil {
		return nil, err
	}
	var processes []Process
	for _, path := range namespaces {
		dir := filepath.Dir(filepath.Dir(path))
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || !s.inNode(path, dir, node) {
			continue
		}
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			continue // it has just ended
		}
		processes = append(processes, Process{PID: pid, Name: strings.TrimSpace(string(name)), Bytes: residentShare(dir)})
	}
	sort.Slice(processes, func(i, j int) bool { return processes[i].Bytes > processes[j].Bytes })
	return processes, nil
}

// inNode tells whether a process is in the node's PID namespace or in a pod's
// below it: then it has an ID in the node's namespace as well as in this one.
func (s *Stage) inNode(link, dir, node string) bool {
	if namespace, err := os.Readlink(link); err == nil && namespace == node {
		return true
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return false
	}
	nested := 0
	for line := range strings.Lines(string(status)) {
		if ids, found := strings.CutPrefix(line, "NSpid:"); found {
			nested = len(strings.Fields(ids))
		}
	}
	cgroup, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	return err == nil && nested > 2 && strings.Contains(string(cgroup), "/gitover-stage/")
}

// residentShare reads a process's proportional set size, in bytes.
func residentShare(dir string) int64 {
	content, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(content)) {
		if value, found := strings.CutPrefix(line, "Pss:"); found {
			kibibytes, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kibibytes << 10
		}
	}
	return 0
}

// Status prints what runs.
func (s *Stage) Status(ctx context.Context) error {
	processes, err := s.Memory()
	if err != nil {
		return err
	}
	if err := s.Git.load(s.layout); err != nil {
		return err
	}
	for _, p := range processes {
		fmt.Printf("%8d %7.1f MiB  %s\n", p.PID, float64(p.Bytes)/(1<<20), p.Name)
	}
	pods, err := s.Kube(ctx, "get", "pods", "-A")
	fmt.Print(pods)
	if err != nil {
		return err
	}
	return s.summary()
}
