package supervisor

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/gitover/gitover/test/cluster/layout"
)

// capSysResource is CAP_SYS_RESOURCE's bit in a capability set.
const capSysResource = 24

// overlaySuperMagic is the type that statfs reports for an overlay.
const overlaySuperMagic = 0x794c7630

// nodeFiles are the configuration files of the node.
func nodeFiles(c Config) map[string]string {
	return map[string]string{
		"/etc/hostname":                    layout.NodeName + "\n",
		"/etc/hosts":                       "127.0.0.1 localhost\n" + c.Network.Node() + " " + layout.NodeName + "\n",
		"/etc/resolv.conf":                 "", // no way out of the stage
		"/etc/containerd/config.toml":      containerdConfig(true),
		"/etc/containerd/prepare.toml":     containerdConfig(false),
		"/etc/cni/net.d/10-stage.conflist": cniConfig(c),
		"/etc/stage/kubelet.yaml":          kubeletConfig(c),
		"/etc/stage/kube-proxy.yaml":       proxyConfig(c),
	}
}

// containerdConfig is for the runtime of the kubelet, or, without CRI, for the
// one that prepares the images before it.
func containerdConfig(cri bool) string {
	disabled := `"io.containerd.grpc.v1.cri", `
	if cri {
		disabled = ""
	}
	return fmt.Sprintf(`version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [%s"io.containerd.internal.v1.tracing", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs", "io.containerd.nri.v1.nri"]
oom_score = 0
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "gitover.local/pause:dev"
  disable_apparmor = true
  restrict_oom_score_adj = %t
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = %q
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/etc/cni/net.d"
`, disabled, layout.CRISocket, !hasCapability(capSysResource), Snapshotter())
}

// Snapshotter is overlayfs, or plain copies where the cache lies on an overlay
// itself (in a container), on which the kernel stacks no other.
func Snapshotter() string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/var/lib/containerd", &fs); err == nil && fs.Type == overlaySuperMagic {
		return "native"
	}
	return "overlayfs"
}

// hasCapability tells whether this process has a capability. runc can't raise
// OOM scores without CAP_SYS_RESOURCE and dies of it unless told not to try.
func hasCapability(bit uint) bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(status)) {
		if hex, found := strings.CutPrefix(line, "CapEff:"); found {
			set, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return err != nil || set&(1<<bit) != 0
		}
	}
	return true
}

// cniConfig gives each pod a routed cable of its own: no bridge, so nothing
// depends on bridge netfilter, and cutting one pod's cable cuts that pod only.
func cniConfig(c Config) string {
	return fmt.Sprintf(`{"cniVersion": "0.4.0", "name": "stage", "plugins": [
  {"type": "ptp", "mtu": 1500, "ipMasq": false,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}, "snat": false}
]}
`, c.Network.Pods())
}

func kubeletConfig(c Config) string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 0.0.0.0
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: %[1]sca.crt}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix://%[2]s
clusterDomain: %[3]s
clusterDNS: [%[4]s]
resolvConf: /etc/resolv.conf
# Works on cgroup v1 and v2, inside a container and without systemd.
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
# The machine's disk is not the stage's to judge.
evictionHard: {memory.available: 50Mi, nodefs.available: 0%%, imagefs.available: 0%%, nodefs.inodesFree: 0%%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
serializeImagePulls: false
registryPullQPS: 0
maxPods: 200
volumePluginDir: /var/lib/kubelet/volumeplugins
shutdownGracePeriod: 0s
# A starting pod is looked at often: tests wait for it.
syncFrequency: 10s
`, pkiDir, layout.CRISocket, layout.ClusterDNS, c.Network.DNS())
}

func proxyConfig(c Config) string {
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: %s
clientConnection: {kubeconfig: %sproxy.kubeconfig}
clusterCIDR: %s
# The machine's own limits stay as they are.
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
nodePortAddresses: [primary]
`, layout.NodeName, pkiDir, c.Network.Pods())
}
