package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gitover/gitover/test/cluster/manifests"
	"github.com/gitover/gitover/test/cluster/run"
)

// furnish puts DNS, storage, Flux and the Git server into the cluster and waits
// until all of them are ready.
func (s *Stage) furnish(ctx context.Context) error {
	crds, err := os.ReadFile(s.fluxCRDs())
	if err != nil {
		return err
	}
	if err := s.Git.load(s.layout); err != nil {
		return err
	}
	values, err := s.Git.secretValues(s.layout)
	if err != nil {
		return err
	}
	all, err := manifests.Render(s.network, values)
	if err != nil {
		return err
	}
	err = s.report.Step("DNS, storage, Flux and Git server", "the pods of kube-system, flux-system and stage-git", func() error {
		if err := s.until(ctx, time.Minute, func(ctx context.Context) error { return s.Apply(ctx, string(crds)+all) }); err != nil {
			return err
		}
		return s.until(ctx, podsLimit, s.furnished)
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, s.diagnosis())
	}
	return nil
}

// furnished tells whether every deployment of the stage is available and Git answers.
func (s *Stage) furnished(ctx context.Context) error {
	for _, namespace := range []string{"kube-system", "flux-system", "stage-git"} {
		out, err := s.Kube(ctx, "get", "deployments", "-n", namespace, "-o",
			`jsonpath={range .items[*]}{.metadata.name}={.status.availableReplicas}{" "}{end}`)
		if err != nil {
			return err
		}
		for item := range strings.FieldsSeq(out) {
			if strings.HasSuffix(item, "=") {
				return fmt.Errorf("%s in %s isn't available yet", strings.TrimSuffix(item, "="), namespace)
			}
		}
	}
	_, err := run.Output(ctx, "git", "ls-remote", s.Git.HostURL())
	if err != nil {
		return errors.New("the Git server doesn't answer yet")
	}
	return nil
}
