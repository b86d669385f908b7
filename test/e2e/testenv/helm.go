package testenv

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Helm runs the program helm of `make .cache/bin/helm` against the cluster.
func (w *Environment) Helm(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(w.Checkout, ".cache", "bin", "helm"), args...)
	cmd.Dir = w.Checkout
	cmd.Env = append(cmd.Environ(), "KUBECONFIG="+w.Kubeconfig)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("helm %v: %w: %s", args, err, out)
	}
	return nil
}

// Chart of this checkout.
const Chart = "charts/gitover"

// ChartValues are those of an installation beside the cluster's own, with the stage's image, for objects with the label
// OwnController of this value.
func ChartValues(label string) map[string]any {
	return map[string]any{
		"fullname":   label,
		"image":      map[string]any{"repository": "gitover.local/gitover", "tag": "dev"},
		"crds":       map[string]any{"install": false}, // those of the cluster's own installation
		"controller": map[string]any{"watchLabelSelector": OwnController + "=" + label},
	}
}
