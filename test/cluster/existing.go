package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// checkExisting looks for what demo and tests need in a cluster that isn't ours.
func (s *Stage) checkExisting(ctx context.Context) error {
	existing, err := Open(s.layout.Repo)
	if err != nil {
		return err
	}
	if existing.Kubeconfig == "" {
		return errors.New("GITOVER_CLUSTER=existing needs KUBECONFIG to name the cluster")
	}
	if _, err := existing.Kube(ctx, "version"); err != nil {
		return fmt.Errorf("the cluster of KUBECONFIG doesn't answer: %w", err)
	}
	var missing []error
	for _, crd := range []string{"gitrepositories.source.toolkit.fluxcd.io", "kustomizations.kustomize.toolkit.fluxcd.io"} {
		if _, err := existing.Kube(ctx, "get", "crd", crd); err != nil {
			missing = append(missing, fmt.Errorf("the cluster has no Flux (%s is missing): run `flux install`: %w", crd, err))
		}
	}
	if out, err := existing.Kube(ctx, "get", "storageclass", "-o", "name"); err != nil || strings.TrimSpace(out) == "" {
		missing = append(missing, errors.New("the cluster has no storage class"))
	}
	if len(missing) == 0 {
		s.report.Say("the cluster of KUBECONFIG=%s has what is needed; nothing was started", existing.Kubeconfig)
	}
	return errors.Join(missing...)
}
