package controllers

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/cluster"
	"github.com/gitover/gitover/steps"
)

// operated is a team whose database an operator runs: it makes pods itself.
type operated struct {
	*team
	port   *cluster.Port
	object *unstructured.Unstructured
}

func anOperatedDatabase(t *testing.T) *operated {
	w := aTeam(t)
	kind := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "clusters.postgresql.cnpg.io"},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: "postgresql.cnpg.io", Scope: apiextensionsv1.NamespaceScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Kind: "Cluster", Plural: "clusters", Singular: "cluster", ListKind: "ClusterList"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: ptr.To(true)}},
			}},
		},
	}
	_, err := envtest.InstallCRDs(api, envtest.CRDInstallOptions{CRDs: []*apiextensionsv1.CustomResourceDefinition{kind}})
	w.must(err)
	o := &operated{team: w, port: &cluster.Port{Client: w.Client, Uncached: w.Client, Namespace: w.namespace, Upgrade: "orders"}}
	o.object = &unstructured.Unstructured{Object: map[string]any{"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster"}}
	o.object.SetNamespace(w.namespace)
	o.object.SetName("orders-17")
	w.must(w.Create(t.Context(), o.object))
	return o
}

// pod that the operator made, in a phase.
func (o *operated) pod(name string, phase corev1.PodPhase, ready corev1.ConditionStatus) *corev1.Pod {
	o.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: o.namespace, Name: name,
			Labels:          map[string]string{v1alpha1.UpgradeLabel: "orders", v1alpha1.InstanceLabel: "orders-17"},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(o.object, o.object.GroupVersionKind())},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "postgres", Image: "example.org/postgresql:17.6"}}},
	}
	o.must(o.Create(o.Context(), pod))
	pod.Status = corev1.PodStatus{Phase: phase, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}}
	o.must(o.Status().Update(o.Context(), pod))
	return pod
}

func (o *operated) says(ready metav1.ConditionStatus, message string) {
	o.Helper()
	o.must(unstructured.SetNestedSlice(o.object.Object, []any{
		map[string]any{"type": "LastBackupSucceeded", "status": "False", "message": "no backup yet"},
		map[string]any{"type": "Ready", "status": string(ready), "message": message},
	}, "status", "conditions"))
	o.must(o.Status().Update(o.Context(), o.object))
}

func (o *operated) workload() steps.Workload {
	o.Helper()
	w, err := o.port.Workload(o.Context(), "orders-17")
	o.must(err)
	return w
}

func (o *operated) notReady(because string) {
	o.Helper()
	if w := o.workload(); w.Ready || !strings.Contains(w.Message, because) {
		o.Errorf("ready %t, %q; want it not ready because of %q", w.Ready, w.Message, because)
	}
}

func TestPodsThatAnOperatorMakesCountOnceItSaysReady(t *testing.T) {
	o := anOperatedDatabase(t)
	if w := o.workload(); w.Found || w.Ready {
		t.Errorf("no pod is there, and the workload is %+v", w)
	}
	o.notReady("no StatefulSet, Deployment or pod carries the label gitover.dev/instance=orders-17")
	o.pod("orders-17-1-initdb", corev1.PodSucceeded, corev1.ConditionFalse)
	first := o.pod("orders-17-1", corev1.PodRunning, corev1.ConditionFalse)
	o.notReady("pod orders-17-1 is not ready")
	first.Status.Conditions[0].Status = corev1.ConditionTrue
	o.must(o.Status().Update(t.Context(), first))
	o.notReady("Cluster orders-17 is not ready yet")
	o.says(metav1.ConditionFalse, "Cluster Is Not Ready")
	o.notReady("Cluster orders-17 is not ready: Cluster Is Not Ready")
	o.says(metav1.ConditionTrue, "Cluster is Ready")
	if w := o.workload(); !w.Ready || w.Image != "example.org/postgresql:17.6" || w.Unread != "" {
		t.Errorf("the operator says ready, and the workload is %+v", w)
	}

	o.port.Spec.MinReady = 2
	o.notReady("1 of 2 pods are ready, as spec.instance.minReady asks")
	o.pod("orders-17-2", corev1.PodRunning, corev1.ConditionTrue)
	if w := o.workload(); !w.Ready {
		t.Errorf("two pods are ready, and the workload is %+v", w)
	}
}

func TestAnOperatorsObjectThatMayNotBeReadIsTold(t *testing.T) {
	o := anOperatedDatabase(t)
	o.pod("orders-17-1", corev1.PodRunning, corev1.ConditionTrue)
	as := rest.CopyConfig(api)
	as.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:elsewhere:nothing"}
	weak, err := client.New(as, client.Options{})
	o.must(err)
	o.port.Uncached = weak
	if w := o.workload(); !w.Ready || !strings.Contains(w.Unread, "grant get on Cluster.postgresql.cnpg.io") {
		t.Errorf("want it ready, with a word on the right that is missing: %+v", w)
	}
}
