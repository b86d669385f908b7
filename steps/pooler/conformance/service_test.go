package conformance

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/pooler/service"
	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pgpooler"
)

// api is the API server, nil without one.
var api *rest.Config

// elsewhere is the servers' address in the slice, which can't have a loopback one.
const elsewhere = "192.0.2.17"

// serviceAccess is how a controller's process reaches a Service.
type serviceAccess struct {
	Host      string
	TLS       rest.TLSClientConfig
	Namespace string
}

// leads the Service "db" with the rights of the component, and no others.
func (a serviceAccess) leads() (*service.Service, error) {
	config := &rest.Config{Host: a.Host, TLSClientConfig: a.TLS, Impersonate: rest.ImpersonationConfig{
		UserName: "system:serviceaccount:gitover-system:gitover-controller", Groups: []string{"system:authenticated"},
	}}
	c, err := client.New(config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		return nil, err
	}
	lookup := func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr(elsewhere)}, nil
	}
	return &service.Service{Reader: c, Writer: c, Namespace: a.Namespace, Service: "db", Proxy: pgpooler.Proxy, Addresses: &pooler.Addresses{Lookup: lookup}}, nil
}

func byService(o order) (switchover.Pooler, error) { return o.Service.leads() }

// beforeDecision is when the old side's server opens itself again.
func beforeDecision(point switchover.Point) bool {
	return point != switchover.PointOpen && point != switchover.PointResume
}

func startService(s *stage) *proxy {
	if api == nil {
		s.t.Skip("needs an API server: GITOVER_INTEGRATION=1")
	}
	ctx := s.t.Context()
	for _, server := range s.servers {
		server.Host = "localhost" // a name that the slice has an address for
	}
	admin, err := client.NewWithWatch(api, client.Options{Scheme: scheme.Scheme})
	must(s.t, err)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	must(s.t, admin.Create(ctx, namespace))
	grant(s.t, admin, namespace.Name)
	must(s.t, admin.Create(ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "db"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "postgres", Port: 5432}}}}))
	s.service = serviceAccess{Host: api.Host, TLS: api.TLSClientConfig, Namespace: namespace.Name}
	leads, err := s.service.leads()
	must(s.t, err)
	must(s.t, leads.Follow(ctx, protocol.TargetOf(s.servers[s.active].Server, databases)))
	return &proxy{port: forward(s.t, admin, namespace.Name), pooler: leads, log: func() string { return "" }}
}

// grant what the component of manifests/components/service says.
func grant(t *testing.T, admin client.Client, namespace string) {
	t.Helper()
	content, err := os.ReadFile("../../../manifests/components/service/rbac.yaml")
	must(t, err)
	documents := strings.Split(strings.ReplaceAll(string(content), "PROXY", pgpooler.Proxy), "\n---\n")
	var role rbacv1.Role
	var binding rbacv1.RoleBinding
	must(t, yaml.Unmarshal([]byte(documents[0]), &role))
	must(t, yaml.Unmarshal([]byte(documents[1]), &binding))
	role.Namespace, binding.Namespace = namespace, namespace
	must(t, admin.Create(t.Context(), &role))
	must(t, admin.Create(t.Context(), &binding))
}

// forward does what kube-proxy does: new connections go where the slice says, and those that exist stay. It returns the port.
func forward(t *testing.T, admin client.WithWatch, namespace string) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var slice discoveryv1.EndpointSliceList
	watcher, err := admin.Watch(t.Context(), &slice, client.InNamespace(namespace))
	must(t, err)
	var mu sync.Mutex
	to := ""
	var running sync.WaitGroup
	running.Go(func() {
		for event := range watcher.ResultChan() {
			if s, ok := event.Object.(*discoveryv1.EndpointSlice); ok && event.Type != watch.Deleted && s.Endpoints[0].Addresses[0] == elsewhere {
				mu.Lock()
				to = net.JoinHostPort("127.0.0.1", strconv.Itoa(int(*s.Ports[0].Port)))
				mu.Unlock()
			}
		}
	})
	running.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			address := to
			mu.Unlock()
			running.Go(func() { carry(near, address) })
		}
	})
	t.Cleanup(func() { watcher.Stop(); _ = listener.Close(); running.Wait() })
	return listener.Addr().(*net.TCPAddr).Port
}

func carry(near net.Conn, address string) {
	defer near.Close()
	far, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer far.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(far, near)
		_ = far.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(near, far)
	_ = near.Close()
	<-ended
}

// TestASwitchToAnotherAddressFamilyIsRefusedBeforeAnythingIsHeld, on a real API server: a slice keeps its address type.
func TestASwitchToAnotherAddressFamilyIsRefusedBeforeAnythingIsHeld(t *testing.T) {
	admin, namespace := aTeam(t)
	for _, name := range []string{"db", "both"} {
		must(t, admin.Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: name},
			Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "postgres", Port: 5432}}}}))
	}
	for kind, address := range map[discoveryv1.AddressType]string{discoveryv1.AddressTypeIPv6: "2001:db8::18", discoveryv1.AddressTypeIPv4: "192.0.2.18"} {
		must(t, admin.Create(t.Context(), &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Namespace: namespace.Name, GenerateName: "both-", Labels: map[string]string{discoveryv1.LabelServiceName: "both"}},
			AddressType: kind, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{address}}}, Ports: []discoveryv1.EndpointPort{{Port: ptr.To(int32(5432))}}}))
	}
	lookup := func(_ context.Context, _, host string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr(map[string]string{"four": elsewhere, "six": "2001:db8::17"}[host])}, nil
	}
	leads := &service.Service{Reader: admin, Writer: admin, Namespace: namespace.Name, Service: "db", Proxy: pgpooler.Proxy, Addresses: &pooler.Addresses{Lookup: lookup}}
	to := func(instance, host string) protocol.StageRequest {
		return protocol.StageRequest{SwitchID: instance, To: protocol.Target{Instance: instance, Host: host, Port: 5432}}
	}
	must(t, leads.Follow(t.Context(), to("orders-15", "four").To))
	var conflict *service.ConflictError
	if err := leads.Stage(t.Context(), to("orders-17", "six")); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "orders-17 has only IPv6 addresses") {
		t.Errorf("%v", err)
	}
	must(t, leads.Stage(t.Context(), to("orders-18", "both."+namespace.Name+".svc")))
	must(t, leads.Resume(t.Context(), "orders-18"))
	if state, err := leads.State(t.Context()); err != nil || !state.Verified || state.Target.Instance != "orders-18" {
		t.Errorf("%+v, %v", state, err)
	}
}
