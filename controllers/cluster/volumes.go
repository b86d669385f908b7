package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitover/gitover/steps/disk"
)

// volumesOf pods: of the claims that they mount and that carry the instance's label, which hold data and WAL, and how much.
func (c *Port) volumesOf(ctx context.Context, instance string, pods []corev1.Pod) (volumes []disk.Volume, err error) {
	var claims corev1.PersistentVolumeClaimList
	if err := c.List(ctx, &claims, c.of(instance)...); err != nil {
		return nil, fmt.Errorf("list volume claims of %s: %w", instance, err)
	}
	capacities := map[string]int64{}
	for _, claim := range claims.Items {
		capacities[claim.Name] = claim.Status.Capacity.Storage().Value()
	}
	for _, pod := range pods {
		data, wal := disk.Mounts(pod.Spec)
		for _, v := range pod.Spec.Volumes {
			if v.PersistentVolumeClaim == nil || v.Name != data && v.Name != wal {
				continue
			}
			name := v.PersistentVolumeClaim.ClaimName
			volumes = append(volumes, disk.Volume{Claim: name, Capacity: capacities[name], Data: v.Name == data, WAL: v.Name == wal})
		}
	}
	return volumes, nil
}
