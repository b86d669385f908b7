package access

import (
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/test/objects"
)

func TestAnUpgradeMayWriteTheDirectoryThatFluxDeliveredItFrom(t *testing.T) {
	stories := []struct {
		story  string
		change func(*v1alpha1.PgUpgrade, *kustomizev1.Kustomization)
		reason string // empty: granted
		says   string
	}{
		{"its own directory", func(*v1alpha1.PgUpgrade, *kustomizev1.Kustomization) {}, "", ""},
		{"a directory below it", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization) { u.Spec.Git.Path = "apps/a/db/" }, "", ""},
		{"any directory, if Flux applies the whole repository", func(_ *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) { k.Spec.Path = "" }, "", ""},
		{"delivered by the platform's Kustomization", func(u *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) {
			k.Namespace = "flux-system"
			u.Spec.Git.SourceRef.Namespace = "flux-system"
		}, "", ""},

		{"another team's directory", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization) { u.Spec.Git.Path = "apps/b" }, v1alpha1.ReasonAccessDenied, "not below apps/a"},
		{"a directory whose name begins like its own", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization) { u.Spec.Git.Path = "apps/ab" }, v1alpha1.ReasonAccessDenied, "not below apps/a"},
		{"the directory above", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization) { u.Spec.Git.Path = "apps" }, v1alpha1.ReasonAccessDenied, "not below apps/a"},
		{"the whole repository", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization) { u.Spec.Git.Path = "." }, v1alpha1.ReasonAccessDenied, "not below apps/a"},
		{"out through the parent", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization) { u.Spec.Git.Path = "apps/a/../b" }, v1alpha1.ReasonAccessDenied, "not below apps/a"},
		{"a Kustomization that applied another upgrade", func(_ *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) {
			k.Status.Inventory.Entries[0].ID = "b_orders_gitover.dev_PgUpgrade"
		}, v1alpha1.ReasonAccessDenied, "did not deliver PgUpgrade a/orders"},
		{"a Kustomization that applied a namesake of another group", func(_ *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) {
			k.Status.Inventory.Entries[0].ID = "a_orders_example.com_PgUpgrade"
		}, v1alpha1.ReasonAccessDenied, "did not deliver"},
		{"labels that only pretend", func(u *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) {
			u.Labels = map[string]string{"kustomize.toolkit.fluxcd.io/name": k.Name, "kustomize.toolkit.fluxcd.io/namespace": k.Namespace}
			k.Status.Inventory = nil
		}, v1alpha1.ReasonAccessDenied, "did not deliver"},
		{"a Kustomization that applies to another cluster", func(_ *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) {
			k.Spec.KubeConfig = &meta.KubeConfigReference{SecretRef: &meta.SecretKeyReference{Name: "elsewhere"}}
		}, v1alpha1.ReasonAccessDenied, "another cluster"},
		{"a repository that the Kustomization doesn't apply", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization) { u.Spec.Git.SourceRef.Name = "other" }, v1alpha1.ReasonAccessDenied, "belong together"},
		{"a namesake of the repository in another namespace", func(u *v1alpha1.PgUpgrade, _ *kustomizev1.Kustomization) { u.Spec.Git.SourceRef.Namespace = "b" }, v1alpha1.ReasonAccessDenied, "belong together"},
		{"a bucket of the repository's name", func(_ *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) { k.Spec.SourceRef.Kind = "Bucket" }, v1alpha1.ReasonAccessDenied, "have a Kustomization of its own, with sourceRef GitRepository"},
		{"an OCI artifact", func(_ *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) { k.Spec.SourceRef.Kind = "OCIRepository" }, v1alpha1.ReasonAccessDenied, "applies OCIRepository a/"},
		{"Flux is about to write its inventory", func(_ *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) {
			k.Status.Inventory = nil
			k.Status.Conditions = []metav1.Condition{{Type: meta.ReconcilingCondition, Status: metav1.ConditionTrue}}
		}, v1alpha1.ReasonFluxPending, "still being applied"},
		{"nothing is learnt of another namespace's Kustomization", func(_ *v1alpha1.PgUpgrade, k *kustomizev1.Kustomization) {
			k.Namespace, k.Status.Inventory = "b", nil
			k.Status.Conditions = []metav1.Condition{{Type: meta.ReconcilingCondition, Status: metav1.ConditionTrue}}
		}, v1alpha1.ReasonAccessDenied, "b/orders did not deliver"},
	}
	for _, s := range stories {
		t.Run(s.story, func(t *testing.T) {
			u, k := objects.Upgrade(), objects.Kustomization()
			s.change(u, k)
			judge(t, Authorize(u, k), s.reason, s.says)
		})
	}
}

func TestNobodyPushesWithAnothersCredentials(t *testing.T) {
	own := &v1alpha1.SecretReference{Name: "push"}
	stories := []struct {
		story          string
		url, namespace string
		read           string // the GitRepository's own Secret
		push           *v1alpha1.SecretReference
		branch         string
		says           string // empty: allowed
	}{
		{"one's own repository, with its Secret", "https://git.example.com/fleet", "a", "read", nil, "", ""},
		{"one's own repository, with credentials in its URL", "https://me:mine@git.example.com/fleet", "a", "", nil, "", ""},
		{"the platform's repository, with one's own Secret", "https://git.example.com/fleet", "b", "read", own, "main", ""},
		{"the platform's repository by ssh", "ssh://git@git.example.com/fleet", "b", "read", own, "", ""},
		{"another's Secret", "https://git.example.com/fleet", "b", "read", nil, "", "credentials in another namespace"},
		{"another's password in the URL", "https://b:secret@git.example.com/fleet", "b", "", nil, "", "holds credentials of another namespace"},
		{"another's password behind a Secret that has none", "https://b:secret@git.example.com/fleet", "b", "", own, "", "holds credentials of another namespace"},
		{"another's token in place of a name", "https://token@git.example.com/fleet", "b", "", own, "", "holds credentials of another namespace"},
		{"another's password by ssh", "ssh://git:secret@git.example.com/fleet", "b", "", own, "", "holds credentials of another namespace"},
		{"a branch that Flux doesn't follow", "https://git.example.com/fleet", "a", "read", own, "production", "follows main"},
	}
	for _, s := range stories {
		t.Run(s.story, func(t *testing.T) {
			u := objects.Upgrade()
			u.Spec.Git.PushSecretRef, u.Spec.Git.Branch = s.push, s.branch
			source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "fleet"}}
			source.Spec.URL, source.Spec.Reference = s.url, &sourcev1.GitRepositoryRef{Branch: "main"}
			if s.read != "" {
				source.Spec.SecretRef = &meta.LocalObjectReference{Name: s.read}
			}
			reason := ""
			if s.says != "" {
				reason = v1alpha1.ReasonAccessDenied
			}
			err := MayPush(u, source)
			judge(t, err, reason, s.says)
			if err != nil && strings.Contains(err.Error(), "secret@") {
				t.Errorf("the refusal tells the password: %v", err)
			}
		})
	}
}

func judge(t *testing.T, err error, reason, says string) {
	t.Helper()
	if reason == "" {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatalf("allowed; want %s", reason)
	}
	if m := outcome.ReasonOf(err, ""); m.Reason != reason || !strings.Contains(err.Error(), says) {
		t.Fatalf("%s: %v; want %s that says %q", m.Reason, err, reason, says)
	}
}

// Flux's own pod has an identity in its cloud; Gitover's has none.
func TestACloudsIdentityIsRefusedUnlessASecretIsThereToPush(t *testing.T) {
	for _, provider := range []string{sourcev1.GitProviderAzure, sourcev1.GitProviderAWS} {
		u := objects.Upgrade()
		source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "fleet"}}
		source.Spec.URL, source.Spec.Reference, source.Spec.Provider = "https://git.example.com/fleet", &sourcev1.GitRepositoryRef{Branch: "main"}, provider
		judge(t, MayPush(u, source), v1alpha1.ReasonInvalidSpec, "logs in by the "+provider+" identity")
		u.Spec.Git.PushSecretRef = &v1alpha1.SecretReference{Name: "push"}
		judge(t, MayPush(u, source), "", "")
	}
}
