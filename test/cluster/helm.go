package cluster

import (
	"context"
	_ "embed"
	"os"
	"path/filepath"

	"github.com/gitover/gitover/test/cluster/image"
)

// The controller of Flux that installs Helm charts isn't part of the stage: it takes minutes to compile. It shares its
// module, and so its compiled packages, with the program helm.
var helmController = compiled{name: "helm-controller", module: "tools/helm", target: "github.com/fluxcd/helm-controller"}

//go:embed manifests/helm/helm-controller.yaml
var helmControllerManifest string

// AddHelmController compiles Flux's helm-controller, and runs it on the stage beside the others, with its kinds.
func (s *Stage) AddHelmController(ctx context.Context) error {
	if s.pid == 0 {
		return ErrNotRunning
	}
	made := image.Binary{
		Name: helmController.name, Program: filepath.Join(s.layout.Bin(), helmController.name), Ref: image.Ref{Image: "gitover.local/helm-controller:dev"},
	}
	if err := s.loadProgram(ctx, helmController.name, helmController, made); err != nil {
		return err
	}
	dir, err := s.moduleDir(ctx, helmController.module, helmController.target)
	if err != nil {
		return err
	}
	kinds, err := os.ReadFile(filepath.Join(dir, "config", "crd", "bases", "helm.toolkit.fluxcd.io_helmreleases.yaml"))
	if err != nil {
		return err
	}
	return s.Apply(ctx, string(kinds)+"\n---\n"+helmControllerManifest)
}
