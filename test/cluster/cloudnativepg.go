package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gitover/gitover/test/cluster/image"
)

// The operator CloudNativePG isn't part of the stage: it takes minutes to compile. Its program must be called manager, since
// it copies /manager of its own image into the pods of databases; by the other name it gives them a newer one.
var cloudNativePG = compiled{name: "cloudnative-pg", module: "tools/cnpg", target: cloudNativePGModule + "/cmd/manager", links: []string{"manager"}}

const (
	cloudNativePGModule = "github.com/cloudnative-pg/cloudnative-pg"
	cloudNativePGImage  = "gitover.local/cloudnative-pg:dev"
)

// AddCloudNativePG compiles the operator, and runs it on the stage by its own release's manifest, with its kinds.
func (s *Stage) AddCloudNativePG(ctx context.Context) error {
	if s.pid == 0 {
		return ErrNotRunning
	}
	s.adding.Lock()
	defer s.adding.Unlock()
	made := image.Binary{
		Name: cloudNativePG.name, Program: filepath.Join(s.layout.Bin(), "manager"), Links: []string{"operator/manager_" + runtime.GOARCH},
		Ref: image.Ref{Image: cloudNativePGImage},
	}
	if err := s.loadProgram(ctx, cloudNativePG.name, cloudNativePG, made); err != nil {
		return err
	}
	dir, err := s.moduleDir(ctx, cloudNativePG.module, cloudNativePGModule)
	if err != nil {
		return err
	}
	_, version, _ := strings.Cut(filepath.Base(dir), "@v")
	manifest, err := os.ReadFile(filepath.Join(dir, "releases", "cnpg-"+version+".yaml"))
	if err != nil {
		return err
	}
	adapted := strings.NewReplacer(
		"ghcr.io/cloudnative-pg/cloudnative-pg:"+version, cloudNativePGImage,
		"imagePullPolicy: Always", "imagePullPolicy: IfNotPresent",
		// a tenth of a processor makes it wait where two processors carry everything
		"limits:\n            cpu: 100m\n", "limits:\n",
		"requests:\n            cpu: 100m\n", "requests:\n            cpu: 10m\n",
	).Replace(string(manifest))
	if !strings.Contains(adapted, cloudNativePGImage) {
		return fmt.Errorf("the manifest of CloudNativePG %s names another image than expected", version)
	}
	return s.Apply(ctx, adapted)
}
