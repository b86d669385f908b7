package provision

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gitover/gitover/test/cluster/layout"
)

// The provisioners that the storage classes name.
const (
	directoryProvisioner = "stage.gitover.dev/directory"
	limitedProvisioner   = "stage.gitover.dev/limited"
)

const (
	claimsPath  = "/api/v1/persistentvolumeclaims"
	volumesPath = "/api/v1/persistentvolumes"
	retryDelay  = time.Second
)

type object struct {
	Metadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		UID         string            `json:"uid"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		StorageClassName *string  `json:"storageClassName"`
		AccessModes      []string `json:"accessModes"`
		VolumeName       string   `json:"volumeName"`
		Resources        struct {
			Requests map[string]string `json:"requests"`
		} `json:"resources"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

type list struct {
	Items []object `json:"items"`
}

// Run provisions and removes volumes until ctx ends. It runs inside the node.
func Run(ctx context.Context, identity, authority string) error {
	c, err := newClient("https://127.0.0.1:6443", identity, authority)
	if err != nil {
		return err
	}
	work := make(chan struct{}, 1)
	changed := func() {
		select {
		case work <- struct{}{}:
		default:
		}
	}
	for _, path := range []string{claimsPath, volumesPath} {
		go keepWatching(ctx, c, path, changed)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-work:
		}
		if err := reconcile(ctx, c); err != nil {
			fmt.Println(time.Now().Format(time.TimeOnly), err)
			time.AfterFunc(retryDelay, changed)
		}
	}
}

func keepWatching(ctx context.Context, c *client, path string, changed func()) {
	for ctx.Err() == nil {
		err := c.watch(ctx, path, changed)
		fmt.Println(time.Now().Format(time.TimeOnly), "watch ended:", err)
		select {
		case <-ctx.Done():
		case <-time.After(retryDelay):
		}
	}
}

// reconcile makes a volume for each claim whose pod has a node, and removes the
// released ones.
func reconcile(ctx context.Context, c *client) error {
	var claims, volumes list
	if err := c.do(ctx, http.MethodGet, claimsPath, nil, &claims); err != nil {
		return err
	}
	for _, claim := range claims.Items {
		provisioner := claim.Metadata.Annotations["volume.kubernetes.io/storage-provisioner"]
		ours := provisioner == directoryProvisioner || provisioner == limitedProvisioner
		placed := claim.Metadata.Annotations["volume.kubernetes.io/selected-node"] != ""
		if ours && placed && claim.Status.Phase == "Pending" && claim.Spec.VolumeName == "" {
			if err := provision(ctx, c, claim, provisioner == limitedProvisioner); err != nil {
				return fmt.Errorf("volume for %s/%s: %w", claim.Metadata.Namespace, claim.Metadata.Name, err)
			}
		}
	}
	if err := c.do(ctx, http.MethodGet, volumesPath, nil, &volumes); err != nil {
		return err
	}
	for _, volume := range volumes.Items {
		ours := strings.HasPrefix(volume.Metadata.Annotations["pv.kubernetes.io/provisioned-by"], "stage.gitover.dev/")
		if ours && volume.Status.Phase == "Released" {
			if err := remove(ctx, c, volume.Metadata.Name); err != nil {
				return fmt.Errorf("removing volume %s: %w", volume.Metadata.Name, err)
			}
		}
	}
	return nil
}

// provision is safe to repeat: the volume's name derives from the claim's UID.
func provision(ctx context.Context, c *client, claim object, limited bool) error {
	name := "pvc-" + claim.Metadata.UID
	directory := filepath.Join(layout.NodeVolumes, name)
	provisioner := directoryProvisioner
	if limited {
		provisioner = limitedProvisioner
		if err := mountLimited(ctx, directory, claim.Spec.Resources.Requests["storage"]); err != nil {
			return err
		}
		// The root of the file system stays the kernel's: initdb wants an empty directory.
		directory = filepath.Join(directory, "data")
	}
	if err := os.MkdirAll(directory, 0o777); err != nil {
		return err
	}
	if err := os.Chmod(directory, 0o777); err != nil {
		return err
	}
	err := c.do(ctx, http.MethodPost, volumesPath, volume(claim, name, directory, provisioner), nil)
	if err != nil && strings.Contains(err.Error(), "AlreadyExists") {
		return nil
	}
	return err
}

func volume(claim object, name, directory, provisioner string) map[string]any {
	node := map[string]any{"key": "kubernetes.io/hostname", "operator": "In", "values": []string{layout.NodeName}}
	return map[string]any{
		"apiVersion": "v1", "kind": "PersistentVolume",
		"metadata": map[string]any{
			"name": name, "annotations": map[string]string{"pv.kubernetes.io/provisioned-by": provisioner},
		},
		"spec": map[string]any{
			"capacity":                      claim.Spec.Resources.Requests,
			"accessModes":                   claim.Spec.AccessModes,
			"storageClassName":              claim.Spec.StorageClassName,
			"persistentVolumeReclaimPolicy": "Delete",
			"local":                         map[string]string{"path": directory},
			"nodeAffinity": map[string]any{"required": map[string]any{
				"nodeSelectorTerms": []any{map[string]any{"matchExpressions": []any{node}}},
			}},
			"claimRef": map[string]string{
				"apiVersion": "v1", "kind": "PersistentVolumeClaim", "uid": claim.Metadata.UID,
				"namespace": claim.Metadata.Namespace, "name": claim.Metadata.Name,
			},
		},
	}
}

// mountLimited mounts an ext4 of the given size, in a sparse file, at directory.
func mountLimited(ctx context.Context, directory, size string) error {
	if mounted(directory) {
		return nil
	}
	bytes, err := parseQuantity(size)
	if err != nil {
		return err
	}
	file := directory + ".img"
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	image, err := os.Create(file)
	if err != nil {
		return err
	}
	defer image.Close()
	if err := image.Truncate(bytes); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"mkfs.ext4", "-q", "-F", "-m", "0", file},
		{"mount", "-o", "loop", file, directory},
	} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w: %s", args, err, out)
		}
	}
	return nil
}

func mounted(directory string) bool {
	mounts, err := os.ReadFile("/proc/self/mounts")
	return err == nil && strings.Contains(string(mounts), " "+directory+" ")
}

func remove(ctx context.Context, c *client, name string) error {
	directory := filepath.Join(layout.NodeVolumes, name)
	if mounted(directory) {
		if err := syscall.Unmount(directory, syscall.MNT_DETACH); err != nil {
			return err
		}
	}
	for _, path := range []string{directory, directory + ".img"} {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return c.do(ctx, http.MethodDelete, volumesPath+"/"+name, nil, nil)
}

var units = []struct {
	suffix string
	factor int64
}{{"Ki", 1 << 10}, {"Mi", 1 << 20}, {"Gi", 1 << 30}, {"Ti", 1 << 40}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"", 1}}

// parseQuantity reads the whole numbers of bytes that claims use, as in 256Mi.
func parseQuantity(quantity string) (int64, error) {
	for _, unit := range units {
		if number, found := strings.CutSuffix(quantity, unit.suffix); found {
			if n, err := strconv.ParseInt(number, 10, 64); err == nil && n > 0 {
				return n * unit.factor, nil
			}
		}
	}
	return 0, fmt.Errorf("%q is not a size this provisioner understands", quantity)
}
