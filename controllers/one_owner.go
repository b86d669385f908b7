package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
)

// alone refuses an upgrade if an older one writes the same directory: each would remove from Git the instance that
// serves the other's clients. Across clusters the files in Git show this, see gitops.Owner; within one cluster this
// check shows it sooner. Before the old instance is removed from Git, a younger upgrade counts, too: it was refused,
// but Flux has applied its instances, and would prune them.
func (r *UpgradeReconciler) alone(ctx context.Context, upgrade *v1alpha1.PgUpgrade, source *sourcev1.GitRepository) error {
	var all v1alpha1.PgUpgradeList
	if err := r.List(ctx, &all); err != nil {
		return fmt.Errorf("look for other PgUpgrades of %s: %w", upgrade.Spec.Git.Path, err)
	}
	for i := range all.Items {
		other := &all.Items[i]
		if client.ObjectKeyFromObject(other) == client.ObjectKeyFromObject(upgrade) || !other.DeletionTimestamp.IsZero() {
			continue
		}
		place := sharedPlace(other, upgrade)
		if place == "" {
			continue
		}
		first := older(other, upgrade)
		if !first && upgrade.Status.Step != steps.CommitFinalize {
			continue
		}
		shared, err := r.writes(ctx, other, source)
		if err != nil {
			return err
		}
		if shared && !first {
			return &outcome.ReasonError{Reason: v1alpha1.ReasonInvalidSpec, Stalled: true, Text: fmt.Sprintf(
				"PgUpgrade %s/%s has %s, too: what serves there would go with %s, which is to be removed from Git. Give it a directory of its own that includes the base, or delete it",
				other.Namespace, other.Name, place, upgrade.Status.From)}
		}
		if shared {
			return &outcome.ReasonError{Reason: v1alpha1.ReasonInvalidSpec, Stalled: true, Text: fmt.Sprintf(
				"PgUpgrade %s/%s, which is older, writes %s; one of the two would take the other's database out of Git. Give each a directory of its own that includes the base, and correct spec.git.path, or delete one of the two",
				other.Namespace, other.Name, place)}
		}
	}
	return nil
}

// older says which of two upgrades may continue; both get the same answer.
func older(a, b *v1alpha1.PgUpgrade) bool {
	if !a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.CreationTimestamp.Before(&b.CreationTimestamp)
	}
	return a.Namespace+"/"+a.Name < b.Namespace+"/"+b.Name
}

// sharedPlace names where two upgrades of one branch would write or remove each other's files; empty if nowhere. A directory
// inside of another's is allowed outside of the parts that Gitover writes there.
func sharedPlace(other, upgrade *v1alpha1.PgUpgrade) string {
	theirs, errTheirs := gitops.CleanDirectory(other.Spec.Git.Path)
	own, errOwn := gitops.CleanDirectory(upgrade.Spec.Git.Path)
	switch {
	case errTheirs != nil || errOwn != nil:
		return ""
	case theirs == own:
		return fmt.Sprintf("the directory %s of the same repository", upgrade.Spec.Git.Path)
	}
	if part := partAround(other, theirs, own); part != "" {
		return fmt.Sprintf("%s in the directory %s of the same repository, and this one's, %s, lies in there", part, other.Spec.Git.Path, upgrade.Spec.Git.Path)
	}
	if part := partAround(upgrade, own, theirs); part != "" {
		return fmt.Sprintf("the directory %s of the same repository, which lies in this one's %s in %s", other.Spec.Git.Path, part, upgrade.Spec.Git.Path)
	}
	return ""
}

// partAround returns the part of an upgrade's directory that contains a directory, if Gitover writes that part: the
// instances, the base that they are made of, and the manifests of an adopted server.
func partAround(upgrade *v1alpha1.PgUpgrade, own, directory string) string {
	parts := []string{gitops.InstancesDirectory, cmp.Or(upgrade.Spec.Instance.Base, "base")}
	if a := upgrade.Spec.Adopt; a != nil {
		parts = append(parts, a.Path)
	}
	for _, part := range parts {
		cleaned, err := gitops.CleanDirectory(part)
		if err != nil || cleaned == "" {
			continue // refused where it is used
		}
		if around := path.Join(own, cleaned); directory == around || strings.HasPrefix(directory, around+"/") {
			return cleaned
		}
	}
	return ""
}

// writes says whether an upgrade may write the repository that a GitRepository stands for. An upgrade
// that isn't granted its directory and branch doesn't count: otherwise any person who may create a
// PgUpgrade could stop all others.
func (r *UpgradeReconciler) writes(ctx context.Context, other *v1alpha1.PgUpgrade, source *sourcev1.GitRepository) (bool, error) {
	k, theirs := &kustomizev1.Kustomization{}, &sourcev1.GitRepository{}
	var none *outcome.ReasonError
	err := r.referred(ctx, other, other.Spec.Git.KustomizationRef, "Kustomization", k)
	if err == nil {
		err = access.Authorize(other, k)
	}
	if err == nil {
		err = r.referred(ctx, other, other.Spec.Git.SourceRef, "GitRepository", theirs)
	}
	if err == nil {
		err = access.MayPush(other, theirs)
	}
	if errors.As(err, &none) || errors.Is(err, gitops.ErrBadPath) {
		return false, nil
	}
	return err == nil && (sourceKey(other) == client.ObjectKeyFromObject(source) || sameBranch(theirs, source)), err
}

func sourceKey(upgrade *v1alpha1.PgUpgrade) types.NamespacedName {
	ref := upgrade.Spec.Git.SourceRef
	return types.NamespacedName{Namespace: cmp.Or(ref.Namespace, upgrade.Namespace), Name: ref.Name}
}

// sameBranch of two GitRepositories, as far as their texts tell. What they don't tell, the files in Git do before a commit.
func sameBranch(a, b *sourcev1.GitRepository) bool {
	one, errOne := gitops.BranchOf(a)
	two, errTwo := gitops.BranchOf(b)
	return errOne == nil && errTwo == nil && one == two && gitops.SameRepository(a.Spec.URL, b.Spec.URL)
}
