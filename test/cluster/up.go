package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gitover/gitover/test/cluster/image"
	"github.com/gitover/gitover/test/cluster/pki"
	"github.com/gitover/gitover/test/cluster/run"
	"github.com/gitover/gitover/test/cluster/supervisor"
)

// How long a start may wait for the cluster before it gives up and tells why.
const (
	apiServerLimit = 2 * time.Minute
	podsLimit      = 5 * time.Minute
)

// Up starts the stage with the default images and the named ones, or makes sure
// that the running one has them. When it returns, all pods are ready, Flux is
// ready and the Git server answers.
func (s *Stage) Up(ctx context.Context, extraImages []string) error {
	if Existing() {
		return s.checkExisting(ctx)
	}
	if err := s.preflight(); err != nil {
		return err
	}
	wanted, err := recipes(extraImages)
	if err != nil {
		return err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s.refresh()
	if err := s.build(ctx, wanted); err != nil {
		return err
	}
	if s.Running() && s.apiServerAnswers(ctx) == nil {
		s.report.Say("the stage runs already (process %d)", s.pid)
		if err := s.loadAll(ctx, wanted); err != nil {
			return err
		}
	} else if err := s.start(ctx, wanted); err != nil {
		return err
	}
	if err := s.furnish(ctx); err != nil {
		return err
	}
	return s.summary()
}

// Build does what takes long the first time, and starts nothing: it compiles and
// makes the default images and the named ones.
func (s *Stage) Build(ctx context.Context, extraImages []string) error {
	if err := s.preflightBuild(); err != nil {
		return err
	}
	wanted, err := recipes(extraImages)
	if err != nil {
		return err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return s.build(ctx, wanted)
}

// BuildAPIServer compiles an API server that tests run without the stage, with the kinds of Flux for it.
func (s *Stage) BuildAPIServer(ctx context.Context) error {
	if err := s.preflightBuild(); err != nil {
		return err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.makeCaches(); err != nil {
		return err
	}
	return s.buildAPIServer(ctx)
}

func (s *Stage) makeCaches() error {
	for _, dir := range []string{s.layout.Bin(), s.layout.Images(), s.layout.Logs(), s.layout.Containerd()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// build compiles and makes images at the same time: one keeps the processor
// busy, the other the network.
func (s *Stage) build(ctx context.Context, wanted []image.Recipe) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.makeCaches(); err != nil {
		return err
	}
	var both sync.WaitGroup
	var compiling, imaging error
	both.Go(func() {
		if compiling = s.buildNode(ctx); compiling != nil {
			cancel()
		}
	})
	both.Go(func() {
		if imaging = s.buildRecipes(ctx, wanted); imaging != nil {
			cancel()
		}
	})
	both.Wait()
	if err := errors.Join(compiling, imaging); err != nil {
		return err
	}
	for _, binary := range binaryImages(s.layout) {
		if _, err := s.images.BuildBinary(binary); err != nil {
			return err
		}
	}
	if _, err := s.buildGitover(ctx); err != nil {
		// The stage serves whoever fixes it, too.
		s.report.Say("going on without a new gitover: %v", err)
	}
	return nil
}

func (s *Stage) buildRecipes(ctx context.Context, wanted []image.Recipe) error {
	for _, recipe := range wanted {
		if s.images.Cached(recipe) {
			continue
		}
		waitsFor := "Debian's packages; log " + filepath.Join(s.layout.Logs(), "image-"+recipe.Name+".log")
		err := s.report.Step("image "+recipe.Name, waitsFor, func() error { return s.images.Build(ctx, recipe) })
		if err != nil {
			return err
		}
	}
	return nil
}

// start removes what an earlier run left and begins a new cluster.
func (s *Stage) start(ctx context.Context, wanted []image.Recipe) error {
	if err := s.remove(ctx); err != nil {
		return err
	}
	if err := s.images.Sweep(); err != nil {
		return err
	}
	for _, dir := range []string{s.layout.NodeDir(), filepath.Join(s.layout.Logs(), "node")} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := pki.Write(filepath.Join(s.layout.NodeDir(), "pki"), s.network); err != nil {
		return err
	}
	admin, err := os.ReadFile(filepath.Join(s.layout.NodeDir(), "pki", "admin.kubeconfig"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.layout.Kubeconfig(), admin, 0o600); err != nil {
		return err
	}
	if err := s.Git.create(ctx, s.layout, s.network); err != nil {
		return fmt.Errorf("Git repository: %w", err)
	}
	config, err := s.nodeConfig(wanted)
	if err != nil {
		return err
	}
	s.pid, err = supervisor.Launch(ctx, filepath.Join(s.layout.Bin(), "stage"), config)
	if err != nil {
		return errors.Join(err, s.remove(context.WithoutCancel(ctx)))
	}
	if err := supervisor.Register(s.pid, s.layout); err != nil {
		return errors.Join(err, s.remove(context.WithoutCancel(ctx)))
	}
	err = s.report.Step("Kubernetes", "the API server; logs in "+filepath.Join(s.layout.Logs(), "node"), func() error {
		return s.until(ctx, apiServerLimit, s.apiServerAnswers)
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, s.diagnosis())
	}
	return nil
}

func (s *Stage) nodeConfig(wanted []image.Recipe) (supervisor.Config, error) {
	config := supervisor.Config{Layout: s.layout, Network: s.network}
	for _, name := range s.imageNames(wanted) {
		item, err := s.importOf(name)
		if err != nil {
			return config, err
		}
		config.Images = append(config.Images, item)
	}
	return config, nil
}

// imageNames lists the archives that the node needs, small ones first: pods of
// those start while the others are still unpacked.
func (s *Stage) imageNames(wanted []image.Recipe) []string {
	var names []string
	for _, binary := range binaryImages(s.layout) {
		names = append(names, binary.Name)
	}
	for _, recipe := range wanted {
		names = append(names, recipe.Name)
	}
	if s.hasGitover() {
		names = append(names, "gitover")
	}
	return names
}

func (s *Stage) loadAll(ctx context.Context, wanted []image.Recipe) error {
	for _, name := range s.imageNames(wanted) {
		if err := s.load(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stage) apiServerAnswers(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if out, err := s.Kube(asking, "get", "--raw", "/readyz"); err != nil || out != "ok" {
		return fmt.Errorf("the API server at %s isn't ready: %w", s.network.APIServer(), err)
	}
	return nil
}

// until looks at a condition until it holds, the limit is over or the node ends.
func (s *Stage) until(ctx context.Context, limit time.Duration, holds func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		if owner, found, _ := supervisor.Registered(); found && !owner.Alive() {
			return fmt.Errorf("the node ended; log %s ends with:\n%s", s.nodeLog(), run.Tail(s.nodeLog()))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", limit, err)
		case <-ticker.C:
		}
	}
}

func (s *Stage) nodeLog() string { return filepath.Join(s.layout.Logs(), "node.log") }

// diagnosis shows where to look when the cluster doesn't come up.
func (s *Stage) diagnosis() string {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	pods, _ := s.Kube(ctx, "get", "pods", "-A", "-o", "wide")
	events, _ := s.Kube(ctx, "get", "events", "-A", "--field-selector=type=Warning", "--sort-by=.lastTimestamp")
	if lines := strings.Split(strings.TrimSpace(events), "\n"); len(lines) > 10 {
		events = strings.Join(lines[len(lines)-10:], "\n")
	}
	return fmt.Sprintf("logs of the components are in %s; node.log ends with:\n%s\n%s\n%s",
		filepath.Join(s.layout.Logs(), "node"), run.Tail(s.nodeLog()), pods, events)
}
