package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitover/gitover/test/cluster/image"
	"github.com/gitover/gitover/test/cluster/layout"
	"github.com/gitover/gitover/test/cluster/run"
)

// compiled is one program made by the Go compiler.
type compiled struct {
	name   string
	module string // directory of the module, below the checkout
	target string // package path
	links  []string
	// ldflags are more flags for the linker.
	ldflags string
	tags    string
}

// kubeVersion is what the components say they are; the version of
// k8s.io/kubernetes in the node's go.mod.
const kubeVersion = "-X k8s.io/component-base/version.gitVersion=v1.36.3" +
	" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"

const nodeModule = "test/cluster/node"

// nodePrograms take long to compile the first time and change only with their
// module: they are made again when its files change.
var nodePrograms = []compiled{
	{name: "kube", module: nodeModule, target: "./cmd/kube", links: []string{
		"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"}, ldflags: kubeVersion},
	{name: "coredns", module: nodeModule, target: "./cmd/coredns"},
	{name: "source-controller", module: nodeModule, target: "github.com/fluxcd/source-controller"},
	{name: "kustomize-controller", module: nodeModule, target: "github.com/fluxcd/kustomize-controller"},
	{name: "notification-controller", module: nodeModule, target: "github.com/fluxcd/notification-controller"},
}

// ownPrograms are this module's: the Go build cache knows whether they changed.
var ownPrograms = []compiled{
	{name: "stage", module: ".", target: "./test/cluster/cmd/stage"},
	{name: "gitserver", module: ".", target: "./test/cluster/cmd/gitserver"},
}

// The product: the controller, and the agent that stands beside each pooler.
var (
	gitover      = compiled{name: "gitover", module: ".", target: "./cmd/gitover"}
	gitoverAgent = compiled{name: "gitover-agent", module: ".", target: "./cmd/gitover-agent"}
	// A controller that a test can kill at every step and part, see internal/crash.
	gitoverCrashpoints = compiled{name: "gitover-crashpoints", module: ".", target: "./cmd/gitover", tags: "crashpoints"}
)

// binaryImages are the images that hold one program each.
func binaryImages(l layout.Layout) []image.Binary {
	var binaries []image.Binary
	for _, name := range []string{"pause", "coredns", "source-controller", "kustomize-controller", "notification-controller"} {
		binaries = append(binaries, image.Binary{
			Name: name, Program: filepath.Join(l.Bin(), name), Ref: image.Ref{Image: "gitover.local/" + name + ":dev"},
		})
	}
	return binaries
}

func gitoverImage(l layout.Layout) image.Binary {
	return image.Binary{
		Name: "gitover", Program: filepath.Join(l.Bin(), gitover.name), Beside: []string{filepath.Join(l.Bin(), gitoverAgent.name)},
		Ref: image.Ref{Image: "gitover.local/gitover:dev", User: "65532:65532"},
	}
}

func crashpointsImage(l layout.Layout) image.Binary {
	return image.Binary{
		Name: gitoverCrashpoints.name, Program: filepath.Join(l.Bin(), gitoverCrashpoints.name),
		Ref: image.Ref{Image: "gitover.local/gitover:crashpoints", User: "65532:65532"},
	}
}

// buildNode compiles everything that the node runs, as far as it isn't there.
func (s *Stage) buildNode(ctx context.Context) error {
	key, err := nodeKey(s.layout.Repo)
	if err != nil {
		return err
	}
	for _, program := range nodePrograms {
		if err := s.compileOnce(ctx, program, key); err != nil {
			return err
		}
	}
	if err := s.buildPause(ctx, key); err != nil {
		return err
	}
	if err := s.copyFluxCRDs(ctx, key); err != nil {
		return err
	}
	for _, program := range ownPrograms {
		if err := s.compile(ctx, program); err != nil {
			return err
		}
	}
	return nil
}

// buildAPIServer compiles what an API server needs that runs by itself, and the controller of Flux's that tests run beside it,
// as far as it isn't there.
func (s *Stage) buildAPIServer(ctx context.Context) error {
	key, err := nodeKey(s.layout.Repo)
	if err != nil {
		return err
	}
	for _, program := range nodePrograms {
		if program.name != "kube" && program.name != "notification-controller" {
			continue
		}
		if err := s.compileOnce(ctx, program, key); err != nil {
			return err
		}
	}
	return s.copyFluxCRDs(ctx, key)
}

// compileOnce compiles a program unless it is there, made of the same files.
func (s *Stage) compileOnce(ctx context.Context, program compiled, key string) error {
	if s.builtWith(program.name, key) {
		return nil
	}
	waitsFor := "the Go compiler; log " + s.buildLog(program.name)
	if err := s.report.Step("compiling "+program.name, waitsFor, func() error { return s.compile(ctx, program) }); err != nil {
		return err
	}
	return os.WriteFile(s.keyFile(program.name), []byte(key), 0o644)
}

// compile makes a static program, so that it runs on any root file system. The
// new one takes the old one's place at once: the old may be running.
func (s *Stage) compile(ctx context.Context, program compiled) error {
	out := filepath.Join(s.layout.Bin(), program.name)
	partial := out + ".partial"
	command := run.Command{
		Dir:  filepath.Join(s.layout.Repo, program.module),
		Env:  []string{"CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off"},
		Args: []string{"go", "build", "-trimpath", "-ldflags", "-s -w " + program.ldflags, "-tags", program.tags, "-o", partial, program.target},
		Log:  s.buildLog(program.name),
	}
	if err := command.Run(ctx); err != nil {
		return fmt.Errorf("compiling %s: %w", program.name, err)
	}
	if err := replaceIfChanged(partial, out); err != nil {
		return err
	}
	for _, link := range program.links {
		path := filepath.Join(s.layout.Bin(), link)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(program.name, path); err != nil {
			return err
		}
	}
	return nil
}

// replaceIfChanged keeps the old file, and its time, when the new one is equal.
func replaceIfChanged(partial, out string) error {
	fresh, err := fileSum(partial)
	if err != nil {
		return err
	}
	if old, err := fileSum(out); err == nil && old == fresh {
		return os.Remove(partial)
	}
	return os.Rename(partial, out)
}

// buildPause compiles Kubernetes' own pause.c: the smallest process that can
// hold a pod's namespaces.
func (s *Stage) buildPause(ctx context.Context, key string) error {
	if s.builtWith("pause", key) {
		return nil
	}
	source, err := s.moduleDir(ctx, nodeModule, "k8s.io/kubernetes")
	if err != nil {
		return err
	}
	command := run.Command{
		Args: []string{"gcc", "-Os", "-static", "-s", "-DVERSION=stage", "-o", filepath.Join(s.layout.Bin(), "pause"),
			filepath.Join(source, "build", "pause", "linux", "pause.c")},
		Log: s.buildLog("pause"),
	}
	if err := command.Run(ctx); err != nil {
		return fmt.Errorf("compiling pause (needs gcc and libc6-dev): %w", err)
	}
	return os.WriteFile(s.keyFile("pause"), []byte(key), 0o644)
}

// copyFluxCRDs takes the custom resource definitions out of the modules whose
// controllers the stage runs.
func (s *Stage) copyFluxCRDs(ctx context.Context, key string) error {
	if s.builtWith("flux-crds", key) {
		return nil
	}
	var all strings.Builder
	for _, name := range []string{"source-controller", "kustomize-controller", "notification-controller"} {
		dir, err := s.moduleDir(ctx, nodeModule, "github.com/fluxcd/"+name)
		if err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(dir, "config", "crd", "bases", "*.yaml"))
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("no CRDs of %s in %q", name, dir)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			fmt.Fprintf(&all, "---\n%s\n", content)
		}
	}
	if err := os.WriteFile(s.fluxCRDs(), []byte(all.String()), 0o644); err != nil {
		return err
	}
	return os.WriteFile(s.keyFile("flux-crds"), []byte(key), 0o644)
}

func (s *Stage) fluxCRDs() string { return filepath.Join(s.layout.Bin(), "flux-crds.yaml") }

// moduleDir is where the Go tools have what a module of this checkout depends on. They may not have downloaded it yet: `go list`
// knows no directory then.
func (s *Stage) moduleDir(ctx context.Context, of, module string) (string, error) {
	out, err := run.Output(ctx, "go", "-C", filepath.Join(s.layout.Repo, of), "mod", "download", "-json", module)
	if err != nil {
		return "", err
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal([]byte(out), &downloaded); err != nil {
		return "", fmt.Errorf("where module %s is: %w", module, err)
	}
	return downloaded.Dir, nil
}

func (s *Stage) buildLog(name string) string {
	return filepath.Join(s.layout.Logs(), "build-"+name+".log")
}
func (s *Stage) keyFile(name string) string { return filepath.Join(s.layout.Bin(), "."+name+".key") }

func (s *Stage) builtWith(name, key string) bool {
	stored, err := os.ReadFile(s.keyFile(name))
	return err == nil && string(stored) == key
}

// nodeKey changes with anything that the node's programs are made of.
func nodeKey(repo string) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, kubeVersion)
	err := filepath.WalkDir(filepath.Join(repo, nodeModule), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(hash, "%s %d\n", entry.Name(), len(content))
		hash.Write(content)
		return nil
	})
	return hex.EncodeToString(hash.Sum(nil)), err
}

func fileSum(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:]), nil
}
