package adopt

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/gitops"
)

// Labels that Flux's kustomize-controller puts on what it applies.
const (
	appliedBy          = "kustomize.toolkit.fluxcd.io/name"
	appliedByNamespace = "kustomize.toolkit.fluxcd.io/namespace"
)

func (f *Found) findFlux(ctx context.Context, c client.Reader, choose Choose) error {
	k, err := f.kustomization(ctx, c, choose)
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("the cluster has no Flux, by which Gitover works: install it (flux install), and let it apply the directory")
	}
	if err != nil {
		return err
	}
	if err := f.judge(k); err != nil {
		return err
	}
	f.Kustomization, f.KustomizationNamespace = k.Name, k.Namespace
	f.Source, f.SourceNamespace = k.Spec.SourceRef.Name, cmp.Or(k.Spec.SourceRef.Namespace, k.Namespace)
	var source sourcev1.GitRepository
	if err := c.Get(ctx, client.ObjectKey{Namespace: f.SourceNamespace, Name: f.Source}, &source); err != nil {
		return fmt.Errorf("read GitRepository %s/%s of Kustomization %s: %w", f.SourceNamespace, f.Source, k.Name, err)
	}
	branch, err := gitops.BranchOf(&source)
	if err != nil {
		return err
	}
	f.explain("Kustomization %s/%s applies %s of GitRepository %s/%s, branch %s", k.Namespace, k.Name, f.Path, f.SourceNamespace, f.Source, branch)
	return f.findPushSecret(ctx, c)
}

// kustomization that a person named, that applied the StatefulSet, or that is the only one in the namespace.
func (f *Found) kustomization(ctx context.Context, c client.Reader, choose Choose) (*kustomizev1.Kustomization, error) {
	labels := f.server.Labels
	if name := labels[appliedBy]; name != "" && f.Kustomization == "" {
		var k kustomizev1.Kustomization
		key := client.ObjectKey{Namespace: labels[appliedByNamespace], Name: name}
		if err := c.Get(ctx, key, &k); err != nil {
			return nil, fmt.Errorf("read Kustomization %s, which applied StatefulSet %s: %w", key, f.StatefulSet, err)
		}
		return &k, nil
	}
	var list kustomizev1.KustomizationList
	if err := c.List(ctx, &list, client.InNamespace(f.Namespace)); err != nil {
		return nil, fmt.Errorf("list Kustomizations: %w", err)
	}
	var all, candidates []string
	for _, k := range list.Items {
		all = append(all, k.Name)
		if within(f.Path, k.Spec.Path) {
			candidates = append(candidates, k.Name)
		}
	}
	if f.Path == "" {
		candidates = all
	}
	name, err := pick(choose, "Kustomization of Flux that applies the directory", "kustomization", f.Kustomization, slices.Clone(candidates), all)
	if err != nil {
		return nil, err
	}
	for i := range list.Items {
		if list.Items[i].Name == name {
			return &list.Items[i], nil
		}
	}
	return nil, fmt.Errorf("there is no Kustomization %s in namespace %s; there are: %s", name, f.Namespace, orNone(all))
}

// judge whether Gitover can work by a Kustomization, and take its path, if a person named none.
func (f *Found) judge(k *kustomizev1.Kustomization) error {
	name := "Kustomization " + k.Namespace + "/" + k.Name
	switch {
	case k.Spec.Wait:
		return fmt.Errorf("%s has wait: true, by which a pod that isn't ready keeps later commits from being applied, also a rollback: set spec.wait: false", name)
	case !k.Spec.Prune:
		return fmt.Errorf("%s has prune: false, by which a server that is removed from Git would stay: set spec.prune: true", name)
	case k.Spec.SourceRef.Kind != sourcev1.GitRepositoryKind:
		return fmt.Errorf("%s applies a %s, to which nothing can be committed: let it apply a GitRepository", name, k.Spec.SourceRef.Kind)
	case k.Spec.KubeConfig != nil:
		return fmt.Errorf("%s applies to another cluster: run this there, with the Kustomization that applies the database", name)
	case k.Spec.TargetNamespace != "" && k.Spec.TargetNamespace != f.Namespace:
		return fmt.Errorf("%s applies to namespace %s, and the database is in %s: name the one that applies it by --kustomization", name, k.Spec.TargetNamespace, f.Namespace)
	}
	if f.Path == "" {
		f.Path = cleaned(k.Spec.Path)
	}
	if !within(f.Path, k.Spec.Path) {
		return fmt.Errorf("%s applies %s, and %s isn't below it: correct --path, or name another by --kustomization", name, cleaned(k.Spec.Path), f.Path)
	}
	if f.Path == "" {
		return fmt.Errorf("%s applies the whole repository: say by --path which directory is the database's", name)
	}
	return nil
}

// findPushSecret names the Secret with the right to push, and says if it is still to be made.
func (f *Found) findPushSecret(ctx context.Context, c client.Reader) error {
	if f.PushSecret == "" {
		f.PushSecret = f.Source + "-push"
	}
	var secret corev1.Secret
	err := c.Get(ctx, client.ObjectKey{Namespace: f.Namespace, Name: f.PushSecret}, &secret)
	if apierrors.IsNotFound(err) {
		f.hint("create Secret %s, by which Gitover pushes: kubectl -n %s create secret generic %s --from-literal=username=NAME --from-file=password=TOKENFILE (ssh: keys identity and known_hosts)", f.PushSecret, f.Namespace, f.PushSecret)
	}
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
		return fmt.Errorf("read Secret %s: %w", f.PushSecret, err)
	}
	return nil
}

// cleaned path of a Kustomization, which Flux takes from the repository's root; empty for the root.
func cleaned(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

// within says whether a directory is what a Kustomization applies, or below it.
func within(directory, applied string) bool {
	directory, applied = cleaned(directory), cleaned(applied)
	return applied == "" || directory == applied || strings.HasPrefix(directory, applied+"/")
}
