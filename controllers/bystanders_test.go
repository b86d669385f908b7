package controllers

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/controllers/pace"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/switchover"
)

// TestFluxsMarkOnTheTargetCountsOnlyWhileNobodyChangedIt since Flux applied it.
func TestFluxsMarkOnTheTargetCountsOnlyWhileNobodyChangedIt(t *testing.T) {
	const target, suspend = `{"f:spec":{"f:target":{}}}`, `{"f:spec":{"f:suspend":{}}}`
	field := func(manager string, operation metav1.ManagedFieldsOperationType, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields)}
	}
	flux := field("kustomize-controller", metav1.ManagedFieldsOperationApply, target)
	for _, c := range []struct {
		story   string
		fields  []metav1.ManagedFieldsEntry
		label   string
		applied bool
	}{
		{"Flux applied it", []metav1.ManagedFieldsEntry{flux}, "orders", true},
		{"somebody else owns another field", []metav1.ManagedFieldsEntry{flux, field("kubectl-edit", metav1.ManagedFieldsOperationUpdate, suspend)}, "orders", true},
		{"somebody edited it since", []metav1.ManagedFieldsEntry{field("kubectl-edit", metav1.ManagedFieldsOperationUpdate, target)}, "orders", false},
		{"somebody applied it beside Flux", []metav1.ManagedFieldsEntry{flux, field("kubectl", metav1.ManagedFieldsOperationApply, target)}, "orders", false},
		{"somebody updated it under Flux's name", []metav1.ManagedFieldsEntry{field("kustomize-controller", metav1.ManagedFieldsOperationUpdate, target)}, "orders", false},
		{"another Kustomization applied it", []metav1.ManagedFieldsEntry{flux}, "others", false},
		{"nothing is known", nil, "orders", false},
	} {
		p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{ManagedFields: c.fields, Labels: map[string]string{
			"kustomize.toolkit.fluxcd.io/name": c.label, "kustomize.toolkit.fluxcd.io/namespace": "shop"}}}
		if got := appliedByFlux(p, "shop", "orders"); got != c.applied {
			t.Errorf("%s: %t", c.story, got)
		}
	}
	if gitSilent(gitops.ErrPathMissing) || gitSilent(&outcome.ReasonError{Reason: v1alpha1.ReasonTargetNotInGit}) || gitSilent(nil) {
		t.Error("what Git says is taken for its silence")
	}
}

// TestAPoolerOnADeadNodeIsLeftOut, one that is silent on a node that runs isn't.
func TestAPoolerOnADeadNodeIsLeftOut(t *testing.T) {
	events := record.NewFakeRecorder(10)
	r := &ProxyReconciler{Recorder: events}
	pod := func(node string, conditions ...corev1.PodCondition) *corev1.Pod {
		p := &corev1.Pod{Status: corev1.PodStatus{Conditions: conditions}}
		p.Spec.NodeName = node
		return p
	}
	ready := func(pod, containers corev1.ConditionStatus) []corev1.PodCondition {
		return []corev1.PodCondition{{Type: corev1.PodReady, Status: pod}, {Type: corev1.ContainersReady, Status: containers}}
	}
	evicted := pod("evicting", corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByTaintManager"})
	now := metav1.Now()
	evicted.DeletionTimestamp = &now
	gated := pod("gating", ready(corev1.ConditionFalse, corev1.ConditionTrue)...)
	gated.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "load-balancer"}}
	// a port that nobody listens on, and one that takes connections and never answers
	closed, mute := listen(t), listen(t)
	closed.Close()
	agent := func(name string, at net.Listener) switchover.Pooler {
		a := protocol.NewClient(name, at.Addr().String(), &tls.Config{ServerName: "nobody"})
		t.Cleanup(a.Close)
		return a
	}
	found := []switchover.Pooler{agent("a", closed), agent("b", closed), agent("c", mute), agent("d", closed), agent("e", closed), agent("f", closed)}
	pods := map[string]*corev1.Pod{
		"a": pod("running", ready(corev1.ConditionTrue, corev1.ConditionTrue)...),
		"b": pod("silent", ready(corev1.ConditionFalse, corev1.ConditionTrue)...),
		"c": pod("dead", ready(corev1.ConditionFalse, corev1.ConditionTrue)...),
		"d": evicted,
		"e": pod("kubelet", ready(corev1.ConditionFalse, corev1.ConditionFalse)...), // its containers aren't ready
		"f": gated,
	}
	begun := time.Now()
	left := r.withoutLost(t.Context(), &v1alpha1.PgProxy{}, found, pods)
	if took := time.Since(begun); took > 2*agentPatience {
		t.Errorf("took %v", took)
	}
	var names []string
	for _, p := range left {
		names = append(names, p.Name())
	}
	if got := strings.Join(names, " "); got != "a e f" {
		t.Errorf("left: %s", got)
	}
	if event := <-events.Events; !strings.Contains(event, "pooler b") || !strings.Contains(event, "node dead is silent") || !strings.Contains(event, "evicted from node evicting") {
		t.Error(event)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestASlowLookEndsWhenTheSpecIsChanged and not by what else happens to the object.
func TestASlowLookEndsWhenTheSpecIsChanged(t *testing.T) {
	scheme := schemeOf(t, v1alpha1.AddToScheme)
	p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders", Generation: 3}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(p).Build()
	ctx, stop := pace.WhileUnchanged(t.Context(), c, p, time.Millisecond)
	defer stop()
	change := func(edit func(*v1alpha1.PgProxy)) {
		t.Helper()
		live := &v1alpha1.PgProxy{}
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(p), live); err != nil {
			t.Fatal(err)
		}
		edit(live)
		if err := c.Update(t.Context(), live); err != nil {
			t.Fatal(err)
		}
	}
	change(func(p *v1alpha1.PgProxy) { p.Labels = map[string]string{"a": "b"} })
	select {
	case <-ctx.Done():
		t.Fatalf("ended by a label: %v", context.Cause(ctx))
	case <-time.After(100 * time.Millisecond):
	}
	change(func(p *v1alpha1.PgProxy) { p.Generation = 4 })
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("goes on though the spec is another")
	}
	if !pace.SpecChanged(ctx) {
		t.Error(context.Cause(ctx))
	}
	other, end := pace.WhileUnchanged(t.Context(), c, p, time.Hour)
	end()
	if other.Err() == nil || pace.SpecChanged(other) {
		t.Error("the end of a look is taken for a change")
	}
}
