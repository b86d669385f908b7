// Package cluster is the stage: a real one-node Kubernetes with real Flux, a
// Git server and PostgreSQL images, built from source and run in namespaces of
// its own on a plain Debian machine.
//
// `go run ./test/cluster/cmd/stage up` starts it, `down` removes it. Tests use
// Open to find the one that runs, and package chaos to break it on purpose.
package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gitover/gitover/test/cluster/image"
	"github.com/gitover/gitover/test/cluster/layout"
	"github.com/gitover/gitover/test/cluster/progress"
	"github.com/gitover/gitover/test/cluster/supervisor"
)

// Stage is one checkout's stage, running or not.
type Stage struct {
	Kubeconfig string // administrator's, for programs on this machine
	Kubectl    string // the kubectl that belongs to this cluster
	Git        Git

	layout  layout.Layout
	network layout.Network
	images  image.Builder
	report  *progress.Reporter
	pid     int        // of the node's PID 1; 0 when it isn't running
	adding  sync.Mutex // what several stories ask for at once is compiled and loaded once
}

// ErrNotRunning means that no stage of this checkout runs: `make cluster` starts one.
var ErrNotRunning = errors.New("the stage isn't running: start it with `make cluster`")

// ErrNoStage means that an existing cluster is used, into which no faults can be injected.
var ErrNoStage = errors.New("this needs the stage, and GITOVER_CLUSTER=existing says to use another cluster")

// At returns the stage of the checkout that contains dir, running or not.
func At(dir string) (*Stage, error) {
	l, err := layout.At(dir)
	if err != nil {
		return nil, err
	}
	network, err := layout.NetworkOf()
	if err != nil {
		return nil, err
	}
	s := &Stage{
		Kubeconfig: l.Kubeconfig(), Kubectl: filepath.Join(l.Bin(), "kubectl"),
		layout: l, network: network, report: progress.New(),
		images: image.Builder{Dir: l.Images(), Tools: l.Tools(), Logs: l.Logs()},
	}
	s.refresh()
	return s, nil
}

// refresh looks whether this checkout's stage runs.
func (s *Stage) refresh() {
	s.pid = 0
	if owner, found, err := supervisor.Registered(); err == nil && found && owner.Repo == s.layout.Repo && owner.Alive() {
		s.pid = owner.PID
		if network, err := supervisor.NetworkOf(s.layout); err == nil {
			s.network = network // it may have been started with another STAGE_NETWORK
		}
	}
}

// Open returns the running stage of the checkout that contains dir, or, with
// GITOVER_CLUSTER=existing, a handle on the cluster that KUBECONFIG names.
func Open(dir string) (*Stage, error) {
	s, err := At(dir)
	if err != nil {
		return nil, err
	}
	if Existing() {
		s.Kubeconfig = os.Getenv("KUBECONFIG")
		if path, err := exec.LookPath("kubectl"); err == nil {
			s.Kubectl = path
		}
		return s, nil
	}
	if s.pid == 0 {
		return nil, ErrNotRunning
	}
	return s, s.Git.load(s.layout)
}

// Existing tells whether the user named a cluster of their own.
func Existing() bool { return os.Getenv("GITOVER_CLUSTER") == "existing" }

// Running tells whether the node's PID 1 lives.
func (s *Stage) Running() bool { return s.pid != 0 }

// Dir is where the stage of this checkout keeps its state.
func (s *Stage) Dir() string { return s.layout.State() }

// Logs is the directory of the logs of builds and, below node/, of components.
func (s *Stage) Logs() string { return s.layout.Logs() }

// Rootfs is the unpacked root file system of a recipe such as "postgres-17".
func (s *Stage) Rootfs(recipe string) string {
	return filepath.Join(s.layout.Images(), recipe, "rootfs")
}

// Exec runs a program inside the node (its root, network, mounts and PIDs) and
// returns what it wrote to standard output.
func (s *Stage) Exec(ctx context.Context, args ...string) (string, error) {
	cmd, err := s.Command(ctx, args...)
	if err != nil {
		return "", err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("in the node, %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// Command prepares a program to run inside the node.
func (s *Stage) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	if Existing() {
		return nil, ErrNoStage
	}
	if s.pid == 0 {
		return nil, ErrNotRunning
	}
	enter := []string{"--target", strconv.Itoa(s.pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd=/"}
	cmd := exec.CommandContext(ctx, "nsenter", append(append(enter, "--"), args...)...)
	cmd.Env = []string{"PATH=" + layout.NodeBin + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
		"KUBECONFIG=" + layout.NodeState + "/pki/admin.kubeconfig"}
	return cmd, nil
}

// Kube runs kubectl against the cluster, from this machine.
func (s *Stage) Kube(ctx context.Context, args ...string) (string, error) {
	return s.kubeInput(ctx, "", args...)
}

// Apply creates or updates the objects of a manifest.
func (s *Stage) Apply(ctx context.Context, manifest string) error {
	_, err := s.kubeInput(ctx, manifest, "apply", "--server-side", "--force-conflicts", "--field-manager=stage", "-f", "-")
	return err
}

func (s *Stage) kubeInput(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.Kubectl, append([]string{"--kubeconfig", s.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// Component acts on one of the supervisor's components, such as
// supervisor.Kubelet, with one of its actions, such as supervisor.ActionKill.
func (s *Stage) Component(ctx context.Context, component, action string) error {
	if s.pid == 0 {
		return ErrNotRunning
	}
	socket := fmt.Sprintf("/proc/%d/root%s", s.pid, layout.Control)
	control := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	defer control.CloseIdleConnections()
	url := "http://node/components/" + component + "/" + action
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	response, err := control.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", action, component, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		message := make([]byte, 300)
		n, _ := response.Body.Read(message)
		return fmt.Errorf("%s %s: %s", action, component, strings.TrimSpace(string(message[:n])))
	}
	return nil
}

// startComponents starts what was stopped and resumes what was paused.
func (s *Stage) startComponents(ctx context.Context) error {
	for _, component := range supervisor.Components() {
		if err := s.Component(ctx, component, supervisor.ActionStart); err != nil {
			return err
		}
		// One that isn't running yet has nothing to resume.
		_ = s.Component(ctx, component, supervisor.ActionResume)
	}
	return nil
}

// importOf is the archive of an image, as the node takes it.
func (s *Stage) importOf(name string) (supervisor.Import, error) {
	key, err := os.ReadFile(filepath.Join(s.layout.Images(), name, "key"))
	if err != nil {
		return supervisor.Import{}, fmt.Errorf("image %s: %w", name, err)
	}
	sum := sha256.Sum256(key)
	return supervisor.Import{Name: name, Key: hex.EncodeToString(sum[:])}, nil
}

// load brings an image that has been built into the running node.
func (s *Stage) load(ctx context.Context, name string) error {
	item, err := s.importOf(name)
	if err != nil {
		return err
	}
	content, err := json.Marshal(item)
	if err != nil {
		return err
	}
	_, err = s.Exec(ctx, layout.NodeBin+"/stage", supervisor.ImportCommand, string(content))
	return err
}

// defaultRecipes are the images that a start brings along.
var defaultRecipes = []string{"node", "postgres-15", "postgres-17"}

// recipes are the default and the named ones, each once.
func recipes(extra []string) ([]image.Recipe, error) {
	return findAll(slices.Concat(defaultRecipes, extra))
}

func findAll(names []string) ([]image.Recipe, error) {
	var all []image.Recipe
	for _, name := range names {
		recipe, err := image.Find(name)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(r image.Recipe) bool { return r.Name == recipe.Name }) {
			all = append(all, recipe)
		}
	}
	return all, nil
}
