package packaging

import (
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// overlay of the manifests, in the words of a kustomization.yaml; MANIFESTS stands for their directory.
func overlay(t *testing.T, text string) objects {
	t.Helper()
	dir := t.TempDir()
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := filepath.Rel(dir, filepath.Join(checkout, "manifests"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "kustomization.yaml"), strings.ReplaceAll(text, "MANIFESTS", manifests))
	return kustomize(t, dir)
}

func TestTwoControllersStandOnTwoNodesAndOneMayLeave(t *testing.T) {
	for _, base := range []string{"default", "namespaced"} {
		all := overlay(t, "namespace: orders\nresources: [MANIFESTS/"+base+"]\ncomponents: [MANIFESTS/components/high-availability]\n")
		spec := as[appsv1.Deployment](t, all, "Deployment/gitover-controller").Spec
		budget := as[policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget/gitover-controller")
		if *spec.Replicas != 2 || spec.Template.Spec.PriorityClassName == "" || budget.Namespace != "orders" {
			t.Errorf("%s: %d replicas of priority %q, a budget in %s", base, *spec.Replicas, spec.Template.Spec.PriorityClassName, budget.Namespace)
		}
		selectors := []*metav1.LabelSelector{budget.Spec.Selector}
		for _, spread := range spec.Template.Spec.TopologySpreadConstraints {
			selectors = append(selectors, spread.LabelSelector)
		}
		if len(selectors) != 3 {
			t.Errorf("%s: spread over %d topologies and not 2", base, len(selectors)-1)
		}
		for _, selector := range selectors {
			if !selects(t, *selector, spec.Template.Labels) {
				t.Errorf("%s: %v doesn't select the controller's pods", base, selector)
			}
		}
	}
}

func selects(t *testing.T, selector metav1.LabelSelector, set map[string]string) bool {
	t.Helper()
	s, err := metav1.LabelSelectorAsSelector(&selector)
	if err != nil {
		t.Fatal(err)
	}
	return s.Matches(labels.Set(set))
}

// end of a connection: a pod of a namespace.
type end struct {
	namespace string
	labels    map[string]string
}

// admits says whether policies of the namespace let a connection in, as a network plugin decides it.
func admits(t *testing.T, policies []*networkingv1.NetworkPolicy, from, to end, port int) bool {
	t.Helper()
	isolated := false
	for _, policy := range policies {
		if !selects(t, policy.Spec.PodSelector, to.labels) {
			continue
		}
		isolated = true
		for _, rule := range policy.Spec.Ingress {
			if opens(rule.Ports, port) && (len(rule.From) == 0 || isPeer(t, rule.From, from, to.namespace)) {
				return true
			}
		}
	}
	return !isolated
}

func opens(ports []networkingv1.NetworkPolicyPort, port int) bool {
	for _, p := range ports {
		if p.Port.IntValue() == port || p.Port.StrVal == "metrics" && port == 8080 {
			return true
		}
	}
	return false
}

func isPeer(t *testing.T, peers []networkingv1.NetworkPolicyPeer, from end, namespace string) bool {
	t.Helper()
	for _, peer := range peers {
		there := from.namespace == namespace
		if peer.NamespaceSelector != nil {
			there = selects(t, *peer.NamespaceSelector, map[string]string{corev1.LabelMetadataName: from.namespace})
		}
		if there && (peer.PodSelector == nil || selects(t, *peer.PodSelector, from.labels)) {
			return true
		}
	}
	return false
}

// What docs/install.md says under "Who talks to whom" passes, and nothing else reaches a server or an agent.
func TestThePoliciesLetInWhomTheInstallPageNames(t *testing.T) {
	controllers := overlay(t, "resources: [MANIFESTS/default]\ncomponents: [MANIFESTS/components/network-policy]\n")
	database := overlay(t, "components: [MANIFESTS/components/database-network-policy]\n")
	fleet := kustomize(t, filepath.Join(root, "examples", "fleet", "apps", "orders"))
	controller := end{"gitover-system", as[appsv1.Deployment](t, controllers, "Deployment/gitover-controller").Spec.Template.Labels}
	pooler := end{"orders", as[appsv1.Deployment](t, fleet, "Deployment/orders-pooler").Spec.Template.Labels}
	instance := end{"orders", as[appsv1.StatefulSet](t, fleet, "StatefulSet/orders-15").Spec.Template.Labels}
	job := end{"orders", map[string]string{"gitover.dev/upgrade": "orders"}}
	application := end{"orders", map[string]string{"app": "shop"}}
	impostor := end{"orders", controller.labels}
	policies := []*networkingv1.NetworkPolicy{
		as[networkingv1.NetworkPolicy](t, database, "NetworkPolicy/gitover-instances"),
		as[networkingv1.NetworkPolicy](t, database, "NetworkPolicy/gitover-poolers"),
	}
	own := []*networkingv1.NetworkPolicy{as[networkingv1.NetworkPolicy](t, controllers, "NetworkPolicy/gitover-controller")}
	for name, c := range map[string]struct {
		policies []*networkingv1.NetworkPolicy
		from, to end
		port     int
		admitted bool
	}{
		"controller to instance":         {policies, controller, instance, 5432, true},
		"controller to agent":            {policies, controller, pooler, 8600, true},
		"pooler to instance":             {policies, pooler, instance, 5432, true},
		"instance to instance":           {policies, instance, instance, 5432, true},
		"schema Job to instance":         {policies, job, instance, 5432, true},
		"application to pooler":          {policies, application, pooler, 6432, true},
		"application past the pooler":    {policies, application, instance, 5432, false},
		"application to agent":           {policies, application, pooler, 8600, false},
		"same labels elsewhere to agent": {policies, impostor, pooler, 8600, false},
		"Prometheus to controller":       {own, application, controller, 8080, true},
		"application to controller":      {own, application, controller, 8081, false},
	} {
		if got := admits(t, c.policies, c.from, c.to, c.port); got != c.admitted {
			t.Errorf("%s: admitted is %v", name, got)
		}
	}
	for _, port := range []int{53, 443, 6443, 22, 5432, 8600} {
		reached := false
		for _, rule := range own[0].Spec.Egress {
			reached = reached || opens(rule.Ports, port)
		}
		if !reached {
			t.Errorf("the controller can't reach port %d", port)
		}
	}
}
