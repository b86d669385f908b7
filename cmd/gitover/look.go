package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/internal/screen"
)

// onlooker reads the objects around upgrades.
type onlooker struct {
	client.WithWatch
	// namespace to look in; all if empty.
	namespace string
	// flux: its objects, too.
	flux bool
}

// one upgrade by its name, with what it refers to.
func (l onlooker) one(ctx context.Context, name string) (screen.Objects, error) {
	u := &v1alpha1.PgUpgrade{}
	err := l.Get(ctx, client.ObjectKey{Namespace: l.namespace, Name: name}, u)
	if apierrors.IsNotFound(err) {
		return screen.Objects{}, notFound(ctx, l, l.namespace, name)
	}
	if err != nil {
		return screen.Objects{}, err
	}
	return l.around(ctx, u)
}

// only one that there is in the namespace, or the one of the name.
func (l onlooker) only(ctx context.Context, args []string) (screen.Objects, error) {
	if len(args) > 0 {
		return l.one(ctx, args[0])
	}
	var list v1alpha1.PgUpgradeList
	if err := l.List(ctx, &list, client.InNamespace(l.namespace)); err != nil {
		return screen.Objects{}, err
	}
	switch len(list.Items) {
	case 0:
		return screen.Objects{}, notFound(ctx, l, l.namespace, "")
	case 1:
		return l.around(ctx, &list.Items[0])
	}
	names := make([]string, 0, len(list.Items))
	for _, u := range list.Items {
		names = append(names, u.Name)
	}
	return screen.Objects{}, fmt.Errorf("there are several PgUpgrades in namespace %s: name one of %s", l.namespace, strings.Join(names, ", "))
}

// all upgrades of the namespace.
func (l onlooker) all(ctx context.Context) ([]screen.Objects, error) {
	var list v1alpha1.PgUpgradeList
	if err := l.List(ctx, &list, client.InNamespace(l.namespace)); err != nil {
		return nil, err
	}
	if len(list.Items) == 0 && l.namespace != "" {
		return nil, notFound(ctx, l, l.namespace, "")
	}
	all := make([]screen.Objects, 0, len(list.Items))
	for i := range list.Items {
		o, err := l.around(ctx, &list.Items[i])
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// around an upgrade: what it refers to, as far as it is there and may be read.
func (l onlooker) around(ctx context.Context, u *v1alpha1.PgUpgrade) (screen.Objects, error) {
	o := screen.Objects{Upgrade: u}
	p := &v1alpha1.PgProxy{}
	found, err := l.refer(ctx, &o, client.ObjectKey{Namespace: u.Namespace, Name: u.Spec.ProxyRef.Name}, p)
	if err != nil {
		return o, err
	}
	if found {
		o.Proxy = p
	}
	if !l.flux {
		return o, nil
	}
	g, k := &sourcev1.GitRepository{}, &kustomizev1.Kustomization{}
	if found, err = l.refer(ctx, &o, keyOf(u, u.Spec.Git.SourceRef), g); err != nil {
		return o, err
	} else if found {
		o.Source = g
	}
	if found, err = l.refer(ctx, &o, keyOf(u, u.Spec.Git.KustomizationRef), k); err != nil {
		return o, err
	} else if found {
		o.Kustomization = k
	}
	return o, nil
}

func keyOf(u *v1alpha1.PgUpgrade, ref v1alpha1.ObjectReference) client.ObjectKey {
	return client.ObjectKey{Namespace: cmp.Or(ref.Namespace, u.Namespace), Name: ref.Name}
}

// refer reads an object that an upgrade refers to. One that isn't there, or may not be read, is noted.
func (l onlooker) refer(ctx context.Context, o *screen.Objects, key client.ObjectKey, into client.Object) (found bool, err error) {
	kind := "object"
	if gvk, err := l.GroupVersionKindFor(into); err == nil {
		kind = gvk.Kind
	}
	err = l.Get(ctx, key, into)
	switch {
	case err == nil:
		return true, nil
	case apierrors.IsNotFound(err) && kind == "PgProxy": // the report says so
	case apierrors.IsNotFound(err):
		o.Notes = append(o.Notes, fmt.Sprintf("%s %s isn't there", kind, key))
	case apierrors.IsForbidden(err):
		o.Notes = append(o.Notes, fmt.Sprintf("you may not read %s %s", kind, key))
	case meta.IsNoMatchError(err):
		o.Notes = append(o.Notes, fmt.Sprintf("this cluster has no kind %s: Flux isn't installed", kind))
	default:
		return false, err
	}
	return false, nil
}
