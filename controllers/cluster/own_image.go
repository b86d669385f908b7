package cluster

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Self is what the controller knows of its own pod.
type Self struct {
	// Image, if not empty, takes the place of what the pod says.
	Image string
	// Namespace and Pod; empty outside of a cluster.
	Namespace, Pod string
}

// errNoImage says what to do where no pod tells.
var errNoImage = errors.New("a parallel copy runs Gitover's own image, and this controller's pod doesn't tell which that is: start the controller with --copy-image, or set spec.copy.method: Logical")

// OwnImage is that of the controller's own container.
func (c *Port) OwnImage(ctx context.Context) (string, error) {
	if c.Self.Image != "" {
		return c.Self.Image, nil
	}
	if c.Self.Namespace == "" || c.Self.Pod == "" {
		return "", errNoImage
	}
	var pods corev1.PodList
	if err := c.Uncached.List(ctx, &pods, client.InNamespace(c.Self.Namespace), client.MatchingFields{"metadata.name": c.Self.Pod}); err != nil {
		return "", fmt.Errorf("find Gitover's image: %w", err)
	}
	for _, pod := range pods.Items {
		for _, container := range pod.Spec.Containers {
			if container.Name == "controller" || len(pod.Spec.Containers) == 1 {
				return container.Image, nil
			}
		}
	}
	return "", errNoImage
}
