package supervisor

import (
	"path/filepath"

	"github.com/gitover/gitover/test/cluster/layout"
)

// component is one program of the node. Components start in the order of the
// table, each when what it needs answers.
type component struct {
	name  string
	needs func(Config) check // nil: starts at once
	args  func(Config) []string
}

// Component names, as tests use them to inject faults.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Containerd        = "containerd"
	Kubelet           = "kubelet"
	Proxy             = "kube-proxy"
	Provisioner       = "provisioner"
)

const pkiDir = layout.NodeState + "/pki/"

func program(name string) string { return filepath.Join(layout.NodeBin, name) }

var components = []component{
	{name: Etcd, args: etcdArgs},
	{name: APIServer, needs: etcdAnswers, args: apiServerArgs},
	{name: ControllerManager, needs: apiServerReady, args: controllerManagerArgs},
	{name: Scheduler, needs: apiServerReady, args: schedulerArgs},
	{name: Proxy, needs: apiServerReady, args: func(Config) []string {
		return []string{program(Proxy), "--config=/etc/stage/kube-proxy.yaml"}
	}},
	{name: Containerd, needs: imagesPrepared, args: func(Config) []string {
		return []string{"/usr/bin/containerd", "--config", "/etc/containerd/config.toml"}
	}},
	{name: Kubelet, needs: runtimeAndAPIServerReady, args: func(c Config) []string {
		return []string{program(Kubelet), "--config=/etc/stage/kubelet.yaml", "--kubeconfig=" + pkiDir + "kubelet.kubeconfig",
			"--hostname-override=" + layout.NodeName, "--node-ip=" + c.Network.Node()}
	}},
	{name: Provisioner, needs: apiServerReady, args: func(Config) []string {
		return []string{program("stage"), "provisioner", pkiDir + "provisioner", pkiDir + "ca.crt"}
	}},
}

// Components are the names of all components, in the order in which they start.
func Components() []string {
	var names []string
	for _, c := range components {
		names = append(names, c.name)
	}
	return names
}

func etcdArgs(Config) []string {
	return []string{program(Etcd),
		"--data-dir=" + layout.NodeState + "/etcd", "--name=stage",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=stage=http://127.0.0.1:2380",
		// The cluster is thrown away with the stage: no point in waiting for the disk.
		"--unsafe-no-fsync", "--log-level=warn",
	}
}

func apiServerArgs(c Config) []string {
	return []string{program(APIServer),
		"--advertise-address=" + c.Network.Node(), "--bind-address=0.0.0.0", "--secure-port=6443",
		"--etcd-servers=http://127.0.0.1:2379",
		"--service-cluster-ip-range=" + c.Network.Services(),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--client-ca-file=" + pkiDir + "ca.crt",
		"--tls-cert-file=" + pkiDir + "apiserver.crt", "--tls-private-key-file=" + pkiDir + "apiserver.key",
		"--kubelet-client-certificate=" + pkiDir + "kubelet-client.crt", "--kubelet-client-key=" + pkiDir + "kubelet-client.key",
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc." + layout.ClusterDNS,
		"--service-account-key-file=" + pkiDir + "sa.pub", "--service-account-signing-key-file=" + pkiDir + "sa.key",
		"--allow-privileged=true", "--profiling=false",
	}
}

func controllerManagerArgs(c Config) []string {
	kubeconfig := pkiDir + "controller-manager.kubeconfig"
	return []string{program(ControllerManager),
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false",
		"--use-service-account-credentials=true", "--root-ca-file=" + pkiDir + "ca.crt",
		"--service-account-private-key-file=" + pkiDir + "sa.key",
		"--cluster-signing-cert-file=" + pkiDir + "ca.crt", "--cluster-signing-key-file=" + pkiDir + "ca.key",
		"--allocate-node-cidrs=false", "--cluster-cidr=" + c.Network.Pods(),
	}
}

func schedulerArgs(Config) []string {
	kubeconfig := pkiDir + "scheduler.kubeconfig"
	return []string{program(Scheduler),
		"--kubeconfig=" + kubeconfig, "--authentication-kubeconfig=" + kubeconfig, "--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false",
	}
}
