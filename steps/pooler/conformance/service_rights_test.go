package conformance

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/test/pgpooler"
)

// aTeam is a namespace of a test's own on the API server, and its administrator.
func aTeam(t *testing.T) (client.Client, *corev1.Namespace) {
	t.Helper()
	if api == nil {
		t.Skip("needs an API server: GITOVER_INTEGRATION=1")
	}
	admin, err := client.New(api, client.Options{Scheme: scheme.Scheme})
	must(t, err)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "team-"}}
	must(t, admin.Create(t.Context(), namespace))
	return admin, namespace
}

// plain is a Service in a namespace of its own, as the component lets the controller lead it.
func plain(t *testing.T, change func(*corev1.Service)) (client.Client, serviceAccess) {
	t.Helper()
	admin, namespace := aTeam(t)
	grant(t, admin, namespace.Name)
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace.Name, Name: "db"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "postgres", Port: 5432}}}}
	if change != nil {
		change(service)
	}
	if service.Name != "" {
		must(t, admin.Create(t.Context(), service))
	}
	return admin, serviceAccess{Host: api.Host, TLS: api.TLSClientConfig, Namespace: namespace.Name}
}

var blue, green = protocol.Target{Instance: "orders-15", Host: "10.1.0.15", Port: 5432}, protocol.Target{Instance: "orders-17", Host: "10.1.0.17", Port: 5432}

// Without any of the component's rights the Service can't be led, and the API server says which one is missing.
func TestEveryRightToLeadAServiceIsNeeded(t *testing.T) {
	for _, missing := range []string{"services get", "endpointslices create", "endpointslices list", "endpointslices get", "endpointslices update"} {
		admin, access := plain(t, nil)
		var role rbacv1.Role
		must(t, admin.Get(t.Context(), client.ObjectKey{Namespace: access.Namespace, Name: pgpooler.Proxy + "-gitover-service"}, &role))
		resource, verb, _ := strings.Cut(missing, " ")
		for i := range role.Rules {
			if role.Rules[i].Resources[0] == resource {
				role.Rules[i].Verbs = slices.DeleteFunc(role.Rules[i].Verbs, func(v string) bool { return v == verb })
				if len(role.Rules[i].Verbs) == 0 {
					role.Rules[i].Verbs = []string{"watch"}
				}
			}
		}
		must(t, admin.Update(t.Context(), &role))
		leads, err := access.leads()
		must(t, err)
		if err = leads.Follow(t.Context(), blue); err == nil {
			err = leads.Follow(t.Context(), green)
		}
		if !apierrors.IsForbidden(err) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}

// A Service that somebody else leads, too, would send clients to two servers. What to do is said.
func TestAServiceThatGitoverCannotLeadIsExplained(t *testing.T) {
	for _, story := range []struct {
		says    string
		service func(*corev1.Service)
		beside  *discoveryv1.EndpointSlice
	}{
		{"create it, without a selector", func(s *corev1.Service) { s.Name = "" }, nil},
		{"remove the selector", func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "postgres"} }, nil},
		{"exactly one port", func(s *corev1.Service) {
			s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "metrics", Port: 9187})
		}, nil},
		{"EndpointSlice db-abc12 leads Service db, too; delete it", nil, &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
			Name: "db-abc12", Labels: map[string]string{discoveryv1.LabelServiceName: "db"}}}},
		{"is not Gitover's; remove it", nil, &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: pgpooler.Proxy + "-gitover"}}},
	} {
		admin, access := plain(t, story.service)
		if slice := story.beside; slice != nil {
			slice.Namespace, slice.AddressType = access.Namespace, discoveryv1.AddressTypeIPv4
			must(t, admin.Create(t.Context(), slice))
		}
		leads, err := access.leads()
		must(t, err)
		if err := leads.Follow(t.Context(), blue); err == nil || !strings.Contains(err.Error(), story.says) {
			t.Errorf("got %v, want words that say %q", err, story.says)
		}
	}
}

// An instance's pod is replaced: the slice follows. An instance without a ready pod keeps the last address.
func TestAServiceFollowsTheInstancesPods(t *testing.T) {
	admin, access := plain(t, nil)
	pods := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: access.Namespace, Name: "orders-15-x", Labels: map[string]string{discoveryv1.LabelServiceName: "orders-15"}}}
	pods.AddressType = discoveryv1.AddressTypeIPv4
	port, ready := int32(5433), true
	pods.Ports = []discoveryv1.EndpointPort{{Port: &port}}
	pods.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.1"}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}}
	must(t, admin.Create(t.Context(), pods))
	leads, err := access.leads()
	must(t, err)
	target := protocol.Target{Instance: "orders-15", Host: "orders-15." + access.Namespace + ".svc", Port: 5432}
	led := func() string {
		var slice discoveryv1.EndpointSlice
		must(t, admin.Get(t.Context(), client.ObjectKey{Namespace: access.Namespace, Name: pgpooler.Proxy + "-gitover"}, &slice))
		return slice.Endpoints[0].Addresses[0]
	}
	must(t, leads.Follow(t.Context(), target))
	if got := led(); got != "10.1.0.1" {
		t.Errorf("it leads to %s", got)
	}
	pods.Endpoints[0].Addresses[0] = "10.1.0.2"
	must(t, admin.Update(t.Context(), pods))
	if state, err := leads.State(t.Context()); err != nil || state.Verified {
		t.Errorf("an old address counts as right: %+v, %v", state, err)
	}
	must(t, leads.Follow(t.Context(), target))
	state, err := leads.State(t.Context())
	if err != nil || !state.Verified || state.Target.Instance != "orders-15" || led() != "10.1.0.2" {
		t.Errorf("it doesn't follow: %+v, %v, %s", state, err, led())
	}
	pods.Endpoints = nil
	must(t, admin.Update(t.Context(), pods))
	if err := leads.Follow(t.Context(), target); err == nil || !strings.Contains(err.Error(), "no ready endpoint; look at its pods") || led() != "10.1.0.2" {
		t.Errorf("without pods: %v, %s", err, led())
	}
}
