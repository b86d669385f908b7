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
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/test/objects"
)

// ofOneDirectory are two upgrades, in namespaces a and b, that came at noon from one directory, with the GitRepository of
// each; change makes the other one differ.
func ofOneDirectory(t *testing.T, noon time.Time, change func(*v1alpha1.PgUpgrade, *kustomizev1.Kustomization, *sourcev1.GitRepository)) (
	r *UpgradeReconciler, u, other *v1alpha1.PgUpgrade, source, others *sourcev1.GitRepository) {
	t.Helper()
	u, k, g := objects.Upgrade(), objects.Kustomization(), &sourcev1.GitRepository{}
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
		{"the same repository by another URL", func(_ *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization, g *sourcev1.GitRepository) {
			g.Spec.URL = "https://Git.example.org:443/fleet.git/"
		}, false, true},
		{"another branch by another URL", func(_ *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization, g *sourcev1.GitRepository) {
			g.Spec.URL, g.Spec.Reference.Branch = "ssh://git@git.example.org/fleet.git", "staging"
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
				if m := outcome.ReasonOf(err, ""); m.Reason != v1alpha1.ReasonInvalidSpec || !m.Stalled {
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

// One directory in another is how Flux's repositories are laid out; only parts of it are Gitover's.
func TestADirectoryMayLieInAnothersButNotWhereThatWrites(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, s := range []struct {
		outer, inner string
		base, adopt  string // of the outer one
		refused      bool
	}{
		{"apps/a", "apps/a/eu", "", "", false},
		{"apps/a", "apps/a/eu/instances", "", "", false},
		{"apps/a", "apps/a/instances-of-others", "", "", false},
		{"apps/a", "apps/ab", "", "", false},
		{"", "apps/a", "", "", false},
		{"apps/a", "apps/a/db", "base", "legacy", false},
		{"apps/a", "apps/a/eu", ".", ".", false}, // refused elsewhere, and not on account of others
		{"apps/a", "apps/a/eu", "../a/eu", "../a/eu", false},

		{"apps/a", "apps/a/instances", "", "", true},
		{"apps/a", "./apps/a/instances/15/", "", "", true},
		{"apps/a", "apps/a/instances/eu/orders", "", "", true},
		{".", "instances/eu", "", "", true},
		{"apps/a", "apps/a/base", "", "", true},
		{"apps/a", "apps/a/db/server/eu", "./db/server/", "", true},
		{"apps/a", "apps/a/legacy/eu", "", "legacy", true},
	} {
		for _, outerFirst := range []bool{true, false} {
			r, u, ou, g, og := ofOneDirectory(t, noon, func(other *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization, _ *sourcev1.GitRepository) {
				other.Spec.Git.Path, other.Spec.Instance.Base, k.Spec.Path = s.outer, s.base, ""
				if s.adopt != "" {
					other.Spec.Adopt = &v1alpha1.AdoptSpec{Path: s.adopt}
				}
				other.CreationTimestamp = metav1.NewTime(noon.Add(time.Hour))
				if outerFirst {
					other.CreationTimestamp = metav1.NewTime(noon.Add(-time.Hour))
				}
			})
			u.Spec.Git.Path = s.inner
			var k kustomizev1.Kustomization
			if err := r.Get(t.Context(), client.ObjectKey{Namespace: "a", Name: "orders"}, &k); err != nil {
				t.Fatal(err)
			}
			k.Spec.Path = ""
			for _, o := range []client.Object{&k, u} {
				if err := r.Update(t.Context(), o); err != nil {
					t.Fatal(err)
				}
			}
			inner, outer := r.alone(t.Context(), u, g), r.alone(t.Context(), ou, og)
			first, younger, name := inner, outer, "a/orders"
			if outerFirst {
				first, younger, name = outer, inner, "b/orders"
			}
			if first != nil {
				t.Errorf("%s in %s, outer first %t: the older one is refused: %v", s.inner, s.outer, outerFirst, first)
			}
			if (younger != nil) != s.refused {
				t.Errorf("%s in %s, outer first %t: %v", s.inner, s.outer, outerFirst, younger)
			}
			if younger != nil {
				if m := outcome.ReasonOf(younger, ""); m.Reason != v1alpha1.ReasonInvalidSpec || !m.Stalled {
					t.Errorf("%+v", m)
				}
				says(t, younger.Error(), "PgUpgrade "+name, s.inner, s.outer, "spec.git.path")
			}
		}
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
