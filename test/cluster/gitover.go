package cluster

import (
	"context"
	"os"
	"path/filepath"

	"github.com/gitover/gitover/test/cluster/image"
)

// hasGitover tells whether the product can be built yet or its image is there.
func (s *Stage) hasGitover() bool {
	_, err := os.Stat(s.images.Archive("gitover"))
	return err == nil
}

// buildGitover compiles the product and puts it into its image; changed tells
// whether the image is another one than before.
func (s *Stage) buildGitover(ctx context.Context) (changed bool, err error) {
	if sources, err := filepath.Glob(filepath.Join(s.layout.Repo, "cmd", "gitover", "*.go")); err != nil || len(sources) == 0 {
		return false, err
	}
	waitsFor := "the Go compiler; log " + s.buildLog(gitover.name)
	err = s.report.Step("compiling gitover", waitsFor, func() error {
		if err := s.compile(ctx, gitoverAgent); err != nil {
			return err
		}
		return s.compile(ctx, gitover)
	})
	if err != nil {
		return false, err
	}
	return s.images.BuildBinary(gitoverImage(s.layout))
}

// LoadGitover builds the product and brings its image into the running node.
// When changed is true, pods that run it have to be started again to get it.
func (s *Stage) LoadGitover(ctx context.Context) (changed bool, err error) {
	if s.pid == 0 {
		return false, ErrNotRunning
	}
	changed, err = s.buildGitover(ctx)
	if err != nil || !s.hasGitover() {
		return changed, err
	}
	return changed, s.load(ctx, "gitover")
}

// LoadCrashpoints does the same with the controller that a test can kill at every step and
// part. The released program and its image stay as they are.
func (s *Stage) LoadCrashpoints(ctx context.Context) error {
	if s.pid == 0 {
		return ErrNotRunning
	}
	return s.loadProgram(ctx, "gitover with crash points", gitoverCrashpoints, crashpointsImage(s.layout))
}

// loadProgram compiles a program, puts it into its image and brings that into the running node.
func (s *Stage) loadProgram(ctx context.Context, what string, program compiled, made image.Binary) error {
	waitsFor := "the Go compiler; log " + s.buildLog(program.name)
	if err := s.report.Step("compiling "+what, waitsFor, func() error { return s.compile(ctx, program) }); err != nil {
		return err
	}
	if _, err := s.images.BuildBinary(made); err != nil {
		return err
	}
	return s.load(ctx, program.name)
}

// LoadImages builds the named images and, if the stage runs, brings them into
// the node.
func (s *Stage) LoadImages(ctx context.Context, names []string) error {
	wanted, err := findAll(names)
	if err != nil {
		return err
	}
	if err := s.buildRecipes(ctx, wanted); err != nil {
		return err
	}
	if s.pid == 0 {
		return nil
	}
	for _, recipe := range wanted {
		if err := s.load(ctx, recipe.Name); err != nil {
			return err
		}
	}
	return nil
}
