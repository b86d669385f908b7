package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
)

// deletePatience is how long a deleted PgUpgrade waits for servers that don't answer. A
// slot that can't be removed would hold WAL for ever, so it is worth waiting for; but an
// object that can't be deleted helps nobody.
const deletePatience = 5 * time.Minute

// finalize removes what replicates, so that no slot outlives its upgrade, and says what
// it leaves: instances and commits stay as Git has them, since deleting this object says
// nothing about the database.
func (r *UpgradeReconciler) finalize(ctx context.Context, upgrade *v1alpha1.PgUpgrade) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(upgrade, v1alpha1.Finalizer) {
		return ctrl.Result{}, nil
	}
	names := postgres.Names{UID: string(upgrade.UID)}
	var trouble error
	for range 2 { // subscriptions first, then the slots that they held
		trouble = nil
		for _, instance := range []string{upgrade.Status.To, upgrade.Status.From} {
			if instance == "" {
				continue
			}
			server, err := serverOf(ctx, r.Uncached, upgrade, instance)
			if err == nil {
				_, err = postgres.RemoveAll(ctx, server, names)
			}
			if err != nil && !postgres.HostMissing(err) && meaningOf(err, "").reason != v1alpha1.ReasonSecretNotFound {
				// a server that is gone took its slots along, and without its password
				// nobody can help
				trouble = err
			}
		}
	}
	if trouble != nil && r.Now().Sub(upgrade.DeletionTimestamp.Time) < deletePatience {
		o := outcomeOf(trouble, v1alpha1.ReasonProgressing)
		o.message = "deleting: slots and subscriptions are still to be removed: " + o.message
		report(upgrade, o)
		return ctrl.Result{RequeueAfter: retryStalled}, nil
	}
	if trouble != nil {
		r.Recorder.Eventf(upgrade, corev1.EventTypeWarning, "LeftBehind",
			"deleted, but slots called %s_* may be left and hold WAL: %v", names.Prefix(), trouble)
	}
	r.repositories.forget(string(upgrade.UID))
	controllerutil.RemoveFinalizer(upgrade, v1alpha1.Finalizer)
	return ctrl.Result{}, nil
}
