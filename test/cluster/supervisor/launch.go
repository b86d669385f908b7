package supervisor

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/gitover/gitover/test/cluster/layout"
	"github.com/gitover/gitover/test/cluster/run"
)

// The hidden commands by which the stage's own program becomes the node.
const (
	EnterCommand = "node-enter" // waits for cable and cgroup, then becomes RunCommand
	RunCommand   = "node-run"   // PID 1 of the node
	// ImportCommand brings one image archive into the runtime.
	ImportCommand = "node-import"
)

const cloneFlags = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC

// Launch starts the node with the given program (this one, statically linked)
// and returns the PID of its PID 1 as this machine sees it. The node outlives
// the caller.
func Launch(ctx context.Context, program string, config Config) (int, error) {
	if err := config.write(); err != nil {
		return 0, err
	}
	log, err := os.Create(filepath.Join(config.Layout.Logs(), "node.log"))
	if err != nil {
		return 0, err
	}
	defer log.Close()
	ready, signalReady, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer ready.Close()
	defer signalReady.Close()
	cmd := exec.Command(program, EnterCommand, config.path())
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{ready}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: cloneFlags, Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("new namespaces (needs root and a kernel with PID, mount, network, UTS and IPC namespaces): %w", err)
	}
	pid := cmd.Process.Pid
	if err := wire(ctx, config, pid); err != nil {
		err = fmt.Errorf("preparing the node's surroundings: %w", err)
		cmd.Process.Kill()
		cmd.Wait()
		return 0, err
	}
	if _, err := signalReady.Write([]byte("go")); err != nil {
		return 0, fmt.Errorf("the node ended before it began; %s tells why: %w", log.Name(), err)
	}
	// Nobody else would collect its exit status while this command runs.
	go cmd.Wait()
	return pid, nil
}

// wire puts the node into its cgroup and lays the cable.
func wire(ctx context.Context, config Config, pid int) error {
	if err := joinCgroup(pid); err != nil {
		return err
	}
	network := config.Network
	steps := [][]string{
		{"link", "add", layout.HostLink, "type", "veth", "peer", "name", layout.NodeLink, "netns", strconv.Itoa(pid)},
		{"addr", "add", network.Host() + "/30", "dev", layout.HostLink},
		{"link", "set", layout.HostLink, "up"},
		{"route", "add", network.Pods(), "via", network.Node()},
		{"route", "add", network.Services(), "via", network.Node()},
	}
	for _, args := range steps {
		if err := IP(ctx, config.Layout, args...); err != nil {
			return err
		}
	}
	return nil
}

// IP runs the node image's `ip` in this machine's network namespace, so that
// the machine needn't have the program.
func IP(ctx context.Context, l layout.Layout, args ...string) error {
	root := l.NodeRootfs()
	loader := filepath.Join(root, "usr/lib64/ld-linux-x86-64.so.2")
	libraries := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	command := append([]string{loader, "--library-path", libraries, filepath.Join(root, "usr/bin/ip")}, args...)
	if _, err := run.Output(ctx, command...); err != nil {
		return fmt.Errorf("ip %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Enter is EnterCommand: it waits for Launch's word, takes the cgroup it was put
// into as the root of a cgroup namespace, and becomes the node.
func Enter(configPath string) error {
	ready := os.NewFile(3, "ready")
	word := make([]byte, 2)
	if n, _ := ready.Read(word); n == 0 {
		return fmt.Errorf("the command that started the node has ended")
	}
	ready.Close()
	// unshare acts on one thread; the exec after it makes that thread the process.
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("new cgroup namespace: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(program, []string{"stage-node", RunCommand, configPath}, os.Environ())
}
