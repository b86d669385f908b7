package testenv

import (
	"path/filepath"

	"github.com/gitover/gitover/test/cluster"
	"github.com/gitover/gitover/test/e2e/fleet"
)

// StageOf is what the test environment needs to know of a running stage.
func StageOf(s *cluster.Stage, checkout string) Stage {
	root, err := filepath.Abs(checkout)
	if err != nil {
		root = checkout
	}
	return Stage{
		Kubeconfig: s.Kubeconfig, Kubectl: s.Kubectl, Checkout: root, GitURL: s.Git.ClusterURL(),
		Git: fleet.Remote{URL: "http://" + s.Git.Address + "/fleet.git", Username: s.Git.Username, Password: s.Git.Password},
	}
}
