// Package supervisor is the node: a process that is PID 1 of its own PID, mount,
// network, UTS, IPC and cgroup namespaces, and starts and restarts every
// component of a one-node Kubernetes in them.
//
// Everything a component makes (processes, mounts, devices, routes, nft rules)
// lives in these namespaces and goes with PID 1, however PID 1 ends. Only the
// cgroup is left then; Remove takes it away.
package supervisor

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gitover/gitover/test/cluster/layout"
)

// Config is what the node needs to know; it travels in a file.
type Config struct {
	Layout  layout.Layout  `json:"layout"`
	Network layout.Network `json:"network"`
	Images  []Import       `json:"images"` // in the runtime before the kubelet starts
}

// Import is an archive below the image cache and the key of its content.
type Import struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

func (c Config) path() string { return filepath.Join(c.Layout.State(), "node.json") }

func (c Config) write() error {
	content, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return os.WriteFile(c.path(), content, 0o600)
}

// NetworkOf is the network of the stage that this checkout started last.
func NetworkOf(l layout.Layout) (layout.Network, error) {
	c, err := readConfig(Config{Layout: l}.path())
	return c.Network, err
}

func readConfig(path string) (Config, error) {
	var c Config
	content, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(content, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}
