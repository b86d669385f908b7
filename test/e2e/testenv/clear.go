package testenv

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
)

// Abandon deletes the app: its objects, not its directory in Git. Nobody waits for the
// clients of its poolers.
func (a *App) Abandon(ctx context.Context) error { return a.Clear(ctx, a.Namespace) }

// Clear a namespace, if there is one, and wait until it is gone.
func (w *Environment) Clear(ctx context.Context, namespace string) error {
	gone := func(ctx context.Context) (bool, string, error) {
		err := w.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
		if apierrors.IsNotFound(err) {
			return true, "gone", nil
		}
		if err != nil && !apierrors.IsConflict(err) {
			return false, "", err
		}
		err = w.Client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(namespace), client.GracePeriodSeconds(0))
		return false, "going", errors.Join(err, w.release(ctx, namespace))
	}
	return w.Await(ctx, 3*time.Minute, "namespace "+namespace, gone)
}

// release what a controller of the namespace's own worked for: it goes with the namespace,
// and no one else takes the finalizers off.
func (w *Environment) release(ctx context.Context, namespace string) error {
	free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	left := []client.ListOption{client.InNamespace(namespace), client.HasLabels{OwnController}}
	var upgrades v1alpha1.PgUpgradeList
	var proxies v1alpha1.PgProxyList
	err := errors.Join(w.Client.List(ctx, &upgrades, left...), w.Client.List(ctx, &proxies, left...))
	if meta.IsNoMatchError(err) {
		return nil // nothing is installed yet
	}
	for i := range upgrades.Items {
		err = errors.Join(err, client.IgnoreNotFound(w.Client.Patch(ctx, &upgrades.Items[i], free)))
	}
	for i := range proxies.Items {
		err = errors.Join(err, client.IgnoreNotFound(w.Client.Patch(ctx, &proxies.Items[i], free)))
	}
	return err
}
