package chaos

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	cluster "github.com/gitover/gitover/test/cluster"
)

// ErrUnlimited means that the volume is a directory on the machine's disk: only a
// volume of the storage class local-limited can be filled.
var ErrUnlimited = errors.New("the volume has no limit of its own: use the storage class local-limited")

// FillVolume leaves no byte free on the volume of a claim. Healing frees it again.
func FillVolume(ctx context.Context, s *cluster.Stage, namespace, claim string) (Heal, error) {
	volume, err := s.Kube(ctx, "get", "pvc", "-n", namespace, claim, "-o", "jsonpath={.spec.volumeName}")
	if err != nil {
		return nil, err
	}
	out, err := s.Kube(ctx, "get", "pv", volume, "-o", "jsonpath={.spec.storageClassName} {.spec.local.path}")
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(out)
	if len(fields) != 2 || fields[0] != "local-limited" {
		return nil, fmt.Errorf("%s/%s: %w", namespace, claim, ErrUnlimited)
	}
	// Beside the claim's directory, on the same file system.
	filler := path.Join(path.Dir(fields[1]), "filler")
	_, err = s.Exec(ctx, "sh", "-c", `
		dd if=/dev/zero of="$1" bs=1M 2>/dev/null
		dd if=/dev/zero of="$1" bs=4k oflag=append conv=notrunc 2>/dev/null
		sync -f "$1"
		[ "$(df --output=avail "$1" | tail -1)" -lt 64 ]`, "sh", filler)
	if err != nil {
		return nil, fmt.Errorf("filling %s: %w", filler, err)
	}
	return func(ctx context.Context) error {
		_, err := s.Exec(ctx, "rm", "-f", filler)
		return err
	}, nil
}
