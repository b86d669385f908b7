package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// CommandLine is what a process of the node shows to everybody on it, and its environment.
type CommandLine struct {
	PID         int // as this machine sees it
	Arguments   []string
	Environment []string
}

// CommandLines of all processes that run on the node, in pods and outside.
func (s *Stage) CommandLines() ([]CommandLine, error) {
	if s.pid == 0 {
		return nil, ErrNotRunning
	}
	node, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", s.pid))
	if err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var all []CommandLine
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || !s.inNode(filepath.Join(dir, "ns", "pid"), dir, node) {
			continue
		}
		arguments, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue // it has just ended
		}
		environment, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil {
			continue
		}
		all = append(all, CommandLine{PID: pid, Arguments: split(arguments), Environment: split(environment)})
	}
	return all, nil
}

func split(zeroTerminated []byte) []string {
	return strings.Split(strings.TrimRight(string(zeroTerminated), "\x00"), "\x00")
}
