package access

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/runtime/conditions"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
)

// The grant: an upgrade may write the directory spec.git.path of a repository because Flux
// delivered this very PgUpgrade from there. Only Flux's controllers write a Kustomization's
// inventory, so unlike labels or the PgUpgrade's own spec it can't be forged by a person who
// may edit the PgUpgrade. These functions have no effect and are called before each look.

// Authorize refuses an upgrade whose Kustomization didn't deliver it from the directory that
// it names. It needs no other object, so nothing of a tenant is read before it.
func Authorize(upgrade *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) error {
	name := k.Namespace + "/" + k.Name
	if k.Spec.KubeConfig != nil {
		return AccessDenied("Kustomization %s applies to another cluster; refer to the one that applies this PgUpgrade", name)
	}
	if !delivered(upgrade, k) {
		if k.Namespace == upgrade.Namespace && isReconciling(k) {
			return &outcome.ReasonError{Reason: v1alpha1.ReasonFluxPending, Text: strings.TrimSuffix(fmt.Sprintf("Kustomization %s is still being applied: %s", name, conditions.GetMessage(k, meta.ReadyCondition)), ": ")}
		}
		return Undelivered(upgrade, k.Namespace, k.Name)
	}
	from := k.Spec.SourceRef
	source := upgrade.Spec.Git.SourceRef
	if from.Kind != sourcev1.GitRepositoryKind {
		return AccessDenied("Kustomization %s applies %s %s/%s. Gitover commits to Git, and can't tell which commit such an artifact was made of: "+
			"have a Kustomization of its own, with sourceRef GitRepository %s/%s, apply the database's directory, and refer to that one", name, from.Kind, cmp.Or(from.Namespace, k.Namespace), from.Name,
			cmp.Or(source.Namespace, upgrade.Namespace), source.Name)
	}
	if from.Name != source.Name || cmp.Or(from.Namespace, k.Namespace) != cmp.Or(source.Namespace, upgrade.Namespace) {
		return AccessDenied("Kustomization %s applies %s %s/%s, not GitRepository %s/%s; make spec.git.sourceRef and spec.git.kustomizationRef belong together",
			name, from.Kind, cmp.Or(from.Namespace, k.Namespace), from.Name, cmp.Or(source.Namespace, upgrade.Namespace), source.Name)
	}
	own, err := gitops.CleanDirectory(upgrade.Spec.Git.Path)
	if err != nil {
		return err
	}
	// Flux takes an absolute path for one from the repository's root
	root := strings.TrimPrefix(path.Clean("/"+k.Spec.Path), "/")
	if root != "" && own != root && !strings.HasPrefix(own, root+"/") {
		return AccessDenied("spec.git.path %s is not below %s, the path of Kustomization %s; Gitover writes only what that Kustomization applies", upgrade.Spec.Git.Path, root, name)
	}
	return nil
}

// delivered says whether the upgrade is in the inventory of what Flux applied.
func delivered(upgrade *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) bool {
	if k.Status.Inventory == nil {
		return false
	}
	id := fmt.Sprintf("%s_%s_%s_PgUpgrade", upgrade.Namespace, upgrade.Name, v1alpha1.GroupVersion.Group)
	return slices.ContainsFunc(k.Status.Inventory.Entries, func(e kustomizev1.ResourceRef) bool { return e.ID == id })
}

// isReconciling: objects appear a moment before the inventory does.
func isReconciling(k *kustomizev1.Kustomization) bool {
	return conditions.IsTrue(k, meta.ReconcilingCondition) || !conditions.Has(k, meta.ReadyCondition)
}

// Undelivered has the same text for a Kustomization of another namespace that doesn't exist:
// an upgrade without a grant learns nothing.
func Undelivered(upgrade *v1alpha1.PgUpgrade, namespace, name string) error {
	return AccessDenied("Kustomization %s/%s did not deliver PgUpgrade %s/%s, so it may not write that directory; commit the PgUpgrade to the directory that this Kustomization applies, or refer to the one that delivered it",
		namespace, name, upgrade.Namespace, upgrade.Name)
}

// MayPush refuses a branch that Flux doesn't follow, and credentials of another namespace.
func MayPush(upgrade *v1alpha1.PgUpgrade, source *sourcev1.GitRepository) error {
	name := source.Namespace + "/" + source.Name
	followed, err := gitops.BranchOf(source)
	if branch := upgrade.Spec.Git.Branch; err == nil && branch != "" && branch != followed {
		return AccessDenied("spec.git.branch is %s, but GitRepository %s follows %s; leave spec.git.branch out", branch, name, followed)
	}
	if push := upgrade.Spec.Git.Push; err == nil && push != nil && push.Branch == followed {
		return AccessDenied("spec.git.push.branch is %s, which GitRepository %s follows; leave spec.git.push out to push there", followed, name)
	}
	if p := source.GetProvider(); upgrade.Spec.Git.PushSecretRef == nil && (p == sourcev1.GitProviderAzure || p == sourcev1.GitProviderAWS) {
		return &outcome.ReasonError{Reason: v1alpha1.ReasonInvalidSpec, Stalled: true, Text: fmt.Sprintf(
			"GitRepository %s logs in by the %s identity of Flux's pod, which Gitover doesn't have; set spec.git.pushSecretRef to a Secret with username and password, a token, or an SSH key", name, p)}
	}
	if source.Namespace == upgrade.Namespace {
		return nil
	}
	if upgrade.Spec.Git.PushSecretRef == nil && source.Spec.SecretRef != nil {
		return AccessDenied("GitRepository %s keeps its credentials in another namespace; set spec.git.pushSecretRef", name)
	}
	address, err := url.Parse(source.Spec.URL)
	if err != nil || address.User == nil {
		return nil //nolint:nilerr // NewAccess says what is wrong with it
	}
	if _, password := address.User.Password(); password || address.Scheme != "ssh" {
		return AccessDenied("the URL of GitRepository %s holds credentials of another namespace; move them to a Secret there and set spec.git.pushSecretRef here", name)
	}
	return nil
}

// AccessDenied is the error of an upgrade that may not do what its spec says; the text says what to change.
func AccessDenied(format string, args ...any) error {
	return &outcome.ReasonError{Reason: v1alpha1.ReasonAccessDenied, Stalled: true, Text: fmt.Sprintf(format, args...)}
}
