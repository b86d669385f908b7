package delivery

import (
	"context"
	"errors"
	"fmt"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gitover/gitover/gitops"
)

const (
	older = "1111111111111111111111111111111111111111"
	ours  = "2222222222222222222222222222222222222222"
	newer = "3333333333333333333333333333333333333333"
	gone  = "9999999999999999999999999999999999999999"
)

// line is a history of three commits; gone was rewritten away.
type line struct{}

func (line) IsAncestor(_ context.Context, ancestor, descendant string) (bool, error) {
	if descendant == gone {
		return false, fmt.Errorf("gone: %w", gitops.ErrUnknownRevision)
	}
	return ancestor <= descendant, nil
}

func at(sha string) string { return "main@sha1:" + sha }

type flux struct {
	source                           string // the artifact's revision
	sourceSuspended, suspended       bool
	sourceConditions, conditions     []metav1.Condition
	applied, attempted               string
	annotation, follows              string
	noSource, noKustomization, noObj bool
}

func no(kind, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: message}
}

func yes(kind, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message}
}

func unknown(reason string) metav1.Condition {
	return metav1.Condition{Type: meta.ReadyCondition, Status: metav1.ConditionUnknown, Reason: reason}
}

var (
	key  = types.NamespacedName{Namespace: "flux", Name: "fleet"}
	keys = Keys{GitRepository: key, Kustomizations: []types.NamespacedName{key},
		Objects: []ObjectKey{{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}, key}}}
)

func (f flux) client(t *testing.T) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{sourcev1.AddToScheme, kustomizev1.AddToScheme, appsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	builder := fake.NewClientBuilder().WithScheme(scheme)
	object := metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}
	if !f.noSource {
		source := &sourcev1.GitRepository{ObjectMeta: object}
		source.Spec.Suspend, source.Status.Conditions = f.sourceSuspended, f.sourceConditions
		if f.source != "" {
			source.Status.Artifact = &meta.Artifact{Revision: f.source}
		}
		builder = builder.WithObjects(source)
	}
	if !f.noKustomization {
		k := &kustomizev1.Kustomization{ObjectMeta: object}
		if f.follows != "" {
			k.Spec.SourceRef = kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: f.follows}
		}
		k.Spec.Suspend, k.Status.Conditions = f.suspended, f.conditions
		k.Status.LastAppliedRevision, k.Status.LastAttemptedRevision = f.applied, f.attempted
		builder = builder.WithObjects(k)
	}
	if !f.noObj {
		set := &appsv1.StatefulSet{ObjectMeta: object}
		if f.annotation != "" {
			set.Annotations = map[string]string{"kustomize.toolkit.fluxcd.io/reconcile": f.annotation}
		}
		builder = builder.WithObjects(set)
	}
	return builder.Build()
}

func TestWhatFluxHasMadeOfOurCommitIsToldApart(t *testing.T) {
	ready, progressing := yes(meta.ReadyCondition, meta.ReconciliationSucceededReason, "Applied"), unknown(meta.ProgressingReason)
	for name, c := range map[string]struct {
		flux flux
		want Phase
		says string
	}{
		"no source":                          {flux{noSource: true}, SourceFailed, "doesn't exist"},
		"source has nothing":                 {flux{}, NotFetched, "nothing yet"},
		"source is older":                    {flux{source: at(older)}, NotFetched, at(older)},
		"source is older, Ready is stale":    {flux{source: at(older), sourceConditions: []metav1.Condition{ready}}, NotFetched, "hasn't fetched"},
		"source is suspended":                {flux{source: at(older), sourceSuspended: true}, Suspended, "flux resume source git fleet"},
		"source suspended after it had ours": {flux{source: at(ours), sourceSuspended: true, applied: at(ours), attempted: at(ours)}, Applied, ""},
		"source can't authenticate":          {flux{source: at(older), sourceConditions: []metav1.Condition{yes(sourcev1.FetchFailedCondition, sourcev1.AuthenticationFailedReason, "denied")}}, SourceFailed, "AuthenticationFailed"},
		"source isn't ready":                 {flux{source: at(older), sourceConditions: []metav1.Condition{no(meta.ReadyCondition, "StorageOperationFailed", "disk full")}}, SourceFailed, "disk full"},
		"source is of a rewritten history":   {flux{source: at(gone)}, NotFetched, ""},
		"fetched":                            {flux{source: at(ours), applied: at(older), attempted: at(older), conditions: []metav1.Condition{ready}}, Fetched, "hasn't tried"},
		"fetched, never applied anything":    {flux{source: at(ours)}, Fetched, "nothing yet"},
		"busy with an older one":             {flux{source: at(ours), applied: at(older), attempted: at(older), conditions: []metav1.Condition{progressing, yes(meta.ReconcilingCondition, meta.ProgressingReason, "Running health checks")}}, Fetched, "Running health checks"},
		"an older one failed":                {flux{source: at(ours), attempted: at(older), conditions: []metav1.Condition{no(meta.ReadyCondition, meta.BuildFailedReason, "no")}}, Fetched, "its last attempt failed (BuildFailed)"},
		"applying":                           {flux{source: at(ours), applied: at(older), attempted: at(ours), conditions: []metav1.Condition{progressing}}, Applying, ""},
		"applying a descendant":              {flux{source: at(newer), applied: at(older), attempted: at(newer), conditions: []metav1.Condition{progressing}}, Applying, ""},
		"health checks were canceled":        {flux{source: at(newer), attempted: at(ours), conditions: []metav1.Condition{no(meta.ReadyCondition, meta.HealthCheckCanceledReason, "new")}}, Applying, ""},
		"Ready with the old revision":        {flux{source: at(ours), applied: at(older), attempted: at(ours), conditions: []metav1.Condition{ready}}, Applying, ""},
		"applied":                            {flux{source: at(ours), applied: at(ours), attempted: at(ours), conditions: []metav1.Condition{ready}}, Applied, at(ours)},
		"applied, older notation":            {flux{source: "main/" + ours, applied: "main/" + ours, attempted: "main/" + ours}, Applied, ""},
		"a descendant was applied":           {flux{source: at(newer), applied: at(newer), attempted: at(newer), conditions: []metav1.Condition{ready}}, Applied, at(newer)},
		"applied, a later one fails":         {flux{source: at(newer), applied: at(ours), attempted: at(newer), conditions: []metav1.Condition{no(meta.ReadyCondition, meta.BuildFailedReason, "no")}}, Applied, at(ours)},
		"applied, no live object to look at": {flux{source: at(ours), applied: at(ours), attempted: at(ours), noObj: true}, Applied, ""},
		"applied, but unhealthy":             {flux{source: at(ours), applied: at(older), attempted: at(ours), conditions: []metav1.Condition{no(meta.ReadyCondition, meta.HealthCheckFailedReason, "pod is pending")}}, AppliedUnhealthy, "pod is pending"},
		"unhealthy later":                    {flux{source: at(ours), applied: at(ours), attempted: at(ours), conditions: []metav1.Condition{no(meta.ReadyCondition, meta.HealthCheckFailedReason, "pod died")}}, AppliedUnhealthy, "pod died"},
		"doesn't build":                      {flux{source: at(ours), applied: at(older), attempted: at(ours), conditions: []metav1.Condition{no(meta.ReadyCondition, meta.BuildFailedReason, "no such file")}}, BuildFailed, "no such file"},
		"refused":                            {flux{source: at(ours), applied: at(older), attempted: at(ours), conditions: []metav1.Condition{no(meta.ReadyCondition, meta.ReconciliationFailedReason, "immutable")}}, ReconciliationFailed, "immutable"},
		"prune failed":                       {flux{source: at(ours), applied: at(older), attempted: at(ours), conditions: []metav1.Condition{no(meta.ReadyCondition, meta.PruneFailedReason, "finalizer")}}, ReconciliationFailed, "finalizer"},
		"access denied":                      {flux{source: at(ours), applied: at(older), attempted: at(older), conditions: []metav1.Condition{no(meta.ReadyCondition, "AccessDenied", "cross-namespace")}}, ReconciliationFailed, "cross-namespace"},
		"path not found":                     {flux{source: at(ours), applied: at(older), attempted: at(older), conditions: []metav1.Condition{no(meta.ReadyCondition, meta.ArtifactFailedReason, "path not found")}}, SourceFailed, "path not found"},
		"dependency":                         {flux{source: at(ours), applied: at(older), attempted: at(older), conditions: []metav1.Condition{no(meta.ReadyCondition, meta.DependencyNotReadyReason, "infra isn't ready")}}, DependencyNotReady, "infra isn't ready"},
		"kustomization is suspended":         {flux{source: at(ours), applied: at(older), attempted: at(older), suspended: true}, Suspended, "flux resume kustomization fleet"},
		"suspended after it was applied":     {flux{source: at(ours), applied: at(ours), attempted: at(ours), suspended: true}, Applied, ""},
		"follows ours":                       {flux{source: at(ours), applied: at(ours), attempted: at(ours), follows: "fleet"}, Applied, ""},
		"follows another source":             {flux{source: at(ours), applied: at(ours), attempted: at(ours), follows: "other"}, ReconciliationFailed, "follows GitRepository flux/other"},
		"no kustomization":                   {flux{source: at(ours), noKustomization: true}, ReconciliationFailed, "doesn't exist"},
		"the object is disabled":             {flux{source: at(ours), applied: at(ours), attempted: at(ours), annotation: "disabled"}, Suspended, "StatefulSet flux/fleet"},
		"the object is enabled":              {flux{source: at(ours), applied: at(ours), attempted: at(ours), annotation: "enabled"}, Applied, ""},
		"applied is of a rewritten history":  {flux{source: at(ours), applied: at(gone), attempted: at(gone), conditions: []metav1.Condition{ready}}, Fetched, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			state, err := Of(t.Context(), c.flux.client(t), line{}, keys, ours)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(state.Phase).To(Equal(c.want), state.Message)
			g.Expect(state.Message).To(ContainSubstring(c.says))
		})
	}
}

func TestTheSlowestKustomizationCounts(t *testing.T) {
	g := NewWithT(t)
	f := flux{source: at(ours), applied: at(ours), attempted: at(ours)}
	both := keys
	both.Kustomizations = []types.NamespacedName{key, {Namespace: "flux", Name: "other"}}
	state, err := Of(t.Context(), f.client(t), line{}, both, ours)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(state.Phase).To(Equal(ReconciliationFailed))
	g.Expect(state.Message).To(ContainSubstring("flux/other"))
	g.Expect(state.Failed()).To(BeTrue())
}

func TestANudgeAnnotatesTheSourceAndNothingElse(t *testing.T) {
	g := NewWithT(t)
	c := flux{source: at(older)}.client(t)
	g.Expect(RequestReconcile(t.Context(), c, key, ours)).To(Succeed())
	source, k := &sourcev1.GitRepository{}, &kustomizev1.Kustomization{}
	g.Expect(c.Get(t.Context(), key, source)).To(Succeed())
	g.Expect(source.Annotations).To(Equal(map[string]string{"reconcile.fluxcd.io/requestedAt": ours}))
	g.Expect(c.Get(t.Context(), key, k)).To(Succeed())
	g.Expect(k.Annotations).To(BeEmpty())
	err := RequestReconcile(t.Context(), c, types.NamespacedName{Namespace: "flux", Name: "none"}, ours)
	g.Expect(err).To(HaveOccurred())
	g.Expect(errors.Is(err, gitops.ErrUnreachable)).To(BeFalse())
}
