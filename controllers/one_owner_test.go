package controllers

import (
	"context"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

// ofOneDirectory are two upgrades, in namespaces a and b, that came at noon from one directory, with the GitRepository of
// each; change makes the other one differ.
func ofOneDirectory(t *testing.T, noon time.Time, change func(*v1alpha1.PgUpgrade, *kustomizev1.Kustomization, *sourcev1.GitRepository)) (
	r *UpgradeReconciler, u, other *v1alpha1.PgUpgrade, source, others *sourcev1.GitRepository) {
	t.Helper()
	u, k, g := anUpgrade(), aKustomization(), &sourcev1.GitRepository{}
	u.CreationTimestamp = metav1.NewTime(noon)
	g.Namespace, g.Name = "a", "fleet"
	g.Spec.URL, g.Spec.Reference = "https://git.example.org/fleet", &sourcev1.GitRepositoryRef{Branch: "main"}
	ou, ok, og := u.DeepCopy(), k.DeepCopy(), g.DeepCopy()
	ou.Namespace, ok.Namespace, og.Namespace = "b", "b", "b"
	ok.Status.Inventory.Entries[0].ID = "b_orders_gitover.dev_PgUpgrade"
	change(ou, ok, og)
	scheme := schemeOf(t, v1alpha1.AddToScheme, kustomizev1.AddToScheme, sourcev1.AddToScheme)
	return &UpgradeReconciler{Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(u, k, g, ou, ok, og).Build()}, u, ou, g, og
}

// schemeOf the kinds that a test's objects have.
func schemeOf(t *testing.T, adds ...func(*runtime.Scheme) error) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range adds {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// Two Kustomizations, each with a target namespace, apply one directory.
func TestOfTwoUpgradesOfOneDirectoryTheOlderGoesOn(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, s := range []struct {
		story    string
		change   func(*v1alpha1.PgUpgrade, *kustomizev1.Kustomization, *sourcev1.GitRepository) // of the other, in b
		refused  bool
		otherOut bool // the other one is refused
	}{
		{"the other is older", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization, _ *sourcev1.GitRepository) {
			u.CreationTimestamp = metav1.NewTime(noon.Add(-time.Hour))
		}, true, false},
		{"the other is younger", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization, _ *sourcev1.GitRepository) {
			u.CreationTimestamp = metav1.NewTime(noon.Add(time.Hour))
		}, false, true},
		{"both came at once", func(*v1alpha1.PgUpgrade, *kustomizev1.Kustomization, *sourcev1.GitRepository) {}, false, true},
		{"the path is spelt otherwise", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization, _ *sourcev1.GitRepository) {
			u.CreationTimestamp, u.Spec.Git.Path = metav1.NewTime(noon.Add(-time.Hour)), "./apps/a/"
		}, true, false},
		{"another directory", func(u *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization, _ *sourcev1.GitRepository) {
			u.Spec.Git.Path, k.Spec.Path = "apps/b", "apps/b"
		}, false, false},
		{"another repository", func(_ *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization, g *sourcev1.GitRepository) {
			g.Spec.URL = "https://git.example.org/other"
		}, false, false},
		{"another branch", func(_ *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization, g *sourcev1.GitRepository) {
			g.Spec.Reference.Branch = "staging"
		}, false, false},
		{"an older one that Flux didn't deliver from there", func(u *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization, _ *sourcev1.GitRepository) {
			u.CreationTimestamp = metav1.NewTime(noon.Add(-time.Hour))
			k.Status.Inventory = nil
		}, false, false},
		{"an older one that names a branch which Flux doesn't follow", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization, _ *sourcev1.GitRepository) {
			u.CreationTimestamp = metav1.NewTime(noon.Add(-time.Hour))
			u.Spec.Git.Branch = "production"
		}, false, false},
	} {
		t.Run(s.story, func(t *testing.T) {
			r, u, ou, g, og := ofOneDirectory(t, noon, s.change)
			judge := func(mine, others *v1alpha1.PgUpgrade, source *sourcev1.GitRepository, refused bool) {
				t.Helper()
				err := r.alone(context.Background(), mine, source)
				if !refused {
					if err != nil {
						t.Errorf("%s is refused: %v", mine.Namespace, err)
					}
					return
				}
				_, err = r.observe(context.Background(), mine)
				if m := meaningOf(err, ""); m.reason != v1alpha1.ReasonInvalidSpec || !m.stalled {
					t.Fatalf("%s: %+v: %v", mine.Namespace, m, err)
				}
				for _, says := range []string{"PgUpgrade " + others.Namespace + "/orders", "a directory of its own", "spec.git.path"} {
					if !strings.Contains(err.Error(), says) {
						t.Errorf("%q doesn't say %q", err, says)
					}
				}
			}
			judge(u, ou, g, s.refused)
			judge(ou, u, og, s.otherOut)
		})
	}
}

// TestNothingIsRemovedFromADirectoryThatAnotherUpgradeHas: the younger one was refused, and yet Flux applies what is there.
func TestNothingIsRemovedFromADirectoryThatAnotherUpgradeHas(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r, u, _, g, _ := ofOneDirectory(t, noon, func(other *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization, _ *sourcev1.GitRepository) {
		other.CreationTimestamp = metav1.NewTime(noon.Add(time.Hour))
	})
	for step, refused := range map[string]bool{steps.Soak: false, steps.StopReverse: false, steps.CommitFinalize: true} {
		u.Status.Workflow, u.Status.Step, u.Status.From = steps.Upgrade, step, "orders-15"
		err := r.alone(t.Context(), u, g)
		if (err != nil) != refused || refused && !(strings.Contains(err.Error(), "b/orders") && strings.Contains(err.Error(), "orders-15")) {
			t.Errorf("at %s: %v", step, err)
		}
	}
}
