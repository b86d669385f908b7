// Package apiserver runs a real Kubernetes API server with etcd beside a test, as processes of its own, with Gitover's and
// Flux's kinds. Nothing but the API is there: no controller, no node. It starts in seconds.
package apiserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gitover/gitover/test/cluster/layout"
)

// Asked says whether tests against a real API server are wanted (GITOVER_INTEGRATION=1).
func Asked() bool { return os.Getenv("GITOVER_INTEGRATION") == "1" }

// Run the tests of a package beside an API server, which found gets, and end it. Unless Asked, found gets nothing and tests
// have to skip what needs one. It returns the exit code for os.Exit.
func Run(m *testing.M, found func(*rest.Config)) int {
	if !Asked() {
		return m.Run()
	}
	environment, config, err := start("manifests/crd", ".cache/bin/flux-crds.yaml")
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the API server:", err)
		return 1
	}
	found(config)
	code := m.Run()
	if err := environment.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "end the API server:", err)
		return max(code, 1)
	}
	return code
}

// Bare is another API server, without Gitover's and Flux's kinds, until the test ends.
func Bare(t *testing.T) *rest.Config {
	t.Helper()
	environment, config, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := environment.Stop(); err != nil {
			t.Error(err)
		}
	})
	return config
}

// patience with processes that start or end on a machine that others work on, too.
const patience = 2 * time.Minute

// start needs the programs that `make apiserver` compiles. It adds kinds from paths below the checkout.
func start(kinds ...string) (*envtest.Environment, *rest.Config, error) {
	checkout, err := layout.At(".")
	if err != nil {
		return nil, nil, err
	}
	programs := checkout.Bin()
	if _, err := os.Stat(filepath.Join(programs, "kube-apiserver")); err != nil {
		return nil, nil, fmt.Errorf("%w; run `make apiserver` first", err)
	}
	environment := &envtest.Environment{BinaryAssetsDirectory: programs, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: patience, ControlPlaneStopTimeout: patience}
	for _, path := range kinds {
		environment.CRDDirectoryPaths = append(environment.CRDDirectoryPaths, filepath.Join(checkout.Repo, path))
	}
	config, err := environment.Start()
	if err != nil {
		return nil, nil, errors.Join(err, environment.Stop())
	}
	return environment, config, nil
}
