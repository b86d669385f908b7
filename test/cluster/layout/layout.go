// Package layout says where everything of a stage is: directories of the cache,
// addresses of its network, names on the machine.
package layout

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// Names on the machine outside the stage's own namespaces. There is one stage
// per machine, so they are fixed.
const (
	HostLink   = "gitover0"                // this machine's end of the cable
	NodeLink   = "eth0"                    // the node's end
	Cgroup     = "gitover-stage"           // below the root of every hierarchy
	OwnerFile  = "/run/gitover-stage.json" // which checkout's stage runs
	NodeName   = "stage"                   // host name and Kubernetes node name
	ClusterDNS = "cluster.local"           // DNS domain of the cluster
	Control    = "/run/stage/control.sock" // inside the node
	CRISocket  = "/run/containerd/containerd.sock"
)

// Directories inside the node.
const (
	NodeBin     = "/opt/stage/bin"    // the programs, read-only
	NodeImages  = "/opt/stage/images" // the image archives, read-only
	NodeState   = "/var/lib/stage"    // pki, kubeconfigs, etcd, volumes
	NodeLogs    = "/var/log/stage"    // one log per component
	NodeVolumes = NodeState + "/volumes"
)

// Layout is one checkout's stage.
type Layout struct {
	Repo  string // the checkout
	Cache string // <Repo>/.cache
}

// At returns the layout of the checkout that contains dir.
func At(dir string) (Layout, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Layout{}, err
	}
	for repo := abs; ; repo = filepath.Dir(repo) {
		if _, err := os.Stat(filepath.Join(repo, "test", "cluster", "node", "go.mod")); err == nil {
			return Layout{Repo: repo, Cache: filepath.Join(repo, ".cache")}, nil
		}
		if repo == "/" {
			return Layout{}, fmt.Errorf("%s is not inside a checkout of this repository", abs)
		}
	}
}

// State is what one run of the stage writes; `down` removes it.
func (l Layout) State() string { return filepath.Join(l.Cache, "stage") }

// NodeDir is the state that the node sees as NodeState.
func (l Layout) NodeDir() string { return filepath.Join(l.State(), "node") }

// Logs has a file per build step and per component.
func (l Layout) Logs() string { return filepath.Join(l.Cache, "logs") }

// Bin holds the compiled programs.
func (l Layout) Bin() string { return filepath.Join(l.Cache, "bin") }

// Images holds the image archives and unpacked root file systems.
func (l Layout) Images() string { return filepath.Join(l.Cache, "images") }

// Tools holds programs borrowed from Debian packages.
func (l Layout) Tools() string { return filepath.Join(l.Cache, "tools") }

// Containerd keeps unpacked images between two runs.
func (l Layout) Containerd() string { return filepath.Join(l.Cache, "containerd") }

// FluxCRDs has the custom resource definitions of the Flux controllers' modules.
func (l Layout) FluxCRDs() string { return filepath.Join(l.Cache, "flux") }

// Kubeconfig is the administrator's, for programs on this machine.
func (l Layout) Kubeconfig() string { return filepath.Join(l.State(), "kubeconfig") }

// NodeRootfs is the unpacked image that the node runs on.
func (l Layout) NodeRootfs() string { return filepath.Join(l.Images(), "node", "rootfs") }

// Network is the /16 that the stage takes: cable, pods and Services.
type Network struct {
	Prefix string `json:"prefix"` // the first two octets, "10.213"
}

var prefixPattern = regexp.MustCompile(`^\d{1,3}\.\d{1,3}$`)

// NetworkOf reads STAGE_NETWORK (default 10.213).
func NetworkOf() (Network, error) {
	prefix := os.Getenv("STAGE_NETWORK")
	if prefix == "" {
		prefix = "10.213"
	}
	if !prefixPattern.MatchString(prefix) {
		return Network{}, fmt.Errorf("STAGE_NETWORK=%q is not the first two octets of an IPv4 network, as in 10.213", prefix)
	}
	return Network{Prefix: prefix}, nil
}

// All is the whole network that this machine routes to the node.
func (n Network) All() string { return n.Prefix + ".0.0/16" }

// Host is this machine's address on the cable.
func (n Network) Host() string { return n.Prefix + ".0.1" }

// Node is the node's address on the cable; the API server listens there.
func (n Network) Node() string { return n.Prefix + ".0.2" }

// Pods is the pods' range.
func (n Network) Pods() string { return n.Prefix + ".64.0/18" }

// Services is the range of ClusterIPs.
func (n Network) Services() string { return n.Prefix + ".128.0/18" }

// APIService is the ClusterIP of the API server: the first of the range.
func (n Network) APIService() string { return n.Prefix + ".128.1" }

// DNS is the ClusterIP of CoreDNS.
func (n Network) DNS() string { return n.Prefix + ".128.10" }

// Git is the ClusterIP of the Git server, fixed so that URLs stay the same.
func (n Network) Git() string { return n.Prefix + ".128.20" }

// APIServer is the API server's URL from this machine and from the node.
func (n Network) APIServer() string { return "https://" + n.Node() + ":6443" }
