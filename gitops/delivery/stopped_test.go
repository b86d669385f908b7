package delivery

import (
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWhatKeepsTheNextCommitFromBeingAppliedIsToldInFluxsWords(t *testing.T) {
	const invalid = `Deployment/shop/web dry-run failed (Invalid): spec.replicas: Invalid value: "two"`
	condition := func(kind, reason, message string, status metav1.ConditionStatus) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
	}
	for name, c := range map[string]struct {
		change func(*sourcev1.GitRepository, *kustomizev1.Kustomization, *corev1.ConfigMap)
		phase  Phase
		says   string
	}{
		"nothing": {func(*sourcev1.GitRepository, *kustomizev1.Kustomization, *corev1.ConfigMap) {}, Applied, ""},
		"another object is invalid": {func(_ *sourcev1.GitRepository, k *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			apimeta.SetStatusCondition(&k.Status.Conditions, condition("Ready", meta.ReconciliationFailedReason, invalid, "False"))
		}, ReconciliationFailed, invalid},
		"it doesn't build": {func(_ *sourcev1.GitRepository, k *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			apimeta.SetStatusCondition(&k.Status.Conditions, condition("Ready", meta.BuildFailedReason, "accumulating resources", "False"))
		}, BuildFailed, "can't be built: accumulating resources"},
		"a dependency isn't ready": {func(_ *sourcev1.GitRepository, k *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			apimeta.SetStatusCondition(&k.Status.Conditions, condition("Ready", meta.DependencyNotReadyReason, "dependency 'shop/base' is not ready", "False"))
		}, DependencyNotReady, "dependency 'shop/base' is not ready"},
		"something isn't healthy": {func(_ *sourcev1.GitRepository, k *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			apimeta.SetStatusCondition(&k.Status.Conditions, condition("Ready", meta.HealthCheckFailedReason, "timeout", "False"))
		}, Applied, ""},
		"it is at work": {func(_ *sourcev1.GitRepository, k *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			apimeta.SetStatusCondition(&k.Status.Conditions, condition("Ready", meta.ProgressingReason, "Detecting drift", "Unknown"))
		}, Applying, ""},
		"the Kustomization is suspended": {func(_ *sourcev1.GitRepository, k *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			k.Spec.Suspend = true
		}, Suspended, "flux resume kustomization orders -n shop"},
		"the source is suspended": {func(g *sourcev1.GitRepository, _ *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			g.Spec.Suspend = true
		}, Suspended, "flux resume source git fleet -n shop"},
		"the source can't be fetched": {func(g *sourcev1.GitRepository, _ *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			apimeta.SetStatusCondition(&g.Status.Conditions, condition(sourcev1.FetchFailedCondition, "AuthenticationFailed", "authentication required", "True"))
		}, SourceFailed, "(AuthenticationFailed): authentication required"},
		"the tip isn't signed": {func(g *sourcev1.GitRepository, _ *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			apimeta.SetStatusCondition(&g.Status.Conditions, condition(sourcev1.SourceVerifiedCondition, "InvalidCommitSignature", "signature is empty", "False"))
		}, SourceFailed, "isn't verified (InvalidCommitSignature): signature is empty"},
		"it follows another source": {func(_ *sourcev1.GitRepository, k *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			k.Spec.SourceRef.Name = "other"
		}, ReconciliationFailed, "follows GitRepository shop/other"},
		"it applies an artifact": {func(_ *sourcev1.GitRepository, k *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			k.Spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: "OCIRepository", Name: "fleet"}
		}, ReconciliationFailed, "follows OCIRepository shop/fleet, not GitRepository shop/fleet. Gitover commits to Git"},
		"it applies a bucket": {func(_ *sourcev1.GitRepository, k *kustomizev1.Kustomization, _ *corev1.ConfigMap) {
			k.Spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: "Bucket", Name: "fleet", Namespace: "flux-system"}
		}, ReconciliationFailed, "have a Kustomization of its own, with sourceRef GitRepository shop/fleet"},
		"the object is left alone": {func(_ *sourcev1.GitRepository, _ *kustomizev1.Kustomization, o *corev1.ConfigMap) {
			o.Annotations = map[string]string{"kustomize.toolkit.fluxcd.io/reconcile": "Disabled"}
		}, Suspended, "remove its annotation kustomize.toolkit.fluxcd.io/reconcile"},
	} {
		t.Run(name, func(t *testing.T) {
			g := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "fleet"}}
			k := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "orders"}}
			k.Spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "fleet"}
			o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "proxy"}}
			for _, all := range []*[]metav1.Condition{&g.Status.Conditions, &k.Status.Conditions} {
				apimeta.SetStatusCondition(all, condition("Ready", "Succeeded", "", "True"))
			}
			c.change(g, k, o)
			s := Next(g, k, o)
			if s.Phase != c.phase || !strings.Contains(s.Message, c.says) {
				t.Errorf("%+v, want %s and %q", s, c.phase, c.says)
			}
		})
	}
}
