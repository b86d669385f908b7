package controllers

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/cluster"
	"github.com/gitover/gitover/controllers/logs"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
)

// deletePatience is how long a deleted PgUpgrade waits for servers that don't answer or whose
// slots are in use. A slot that isn't removed would hold WAL for ever, so it is worth waiting
// for; but in the end the object must be deletable.
const deletePatience = 5 * time.Minute

// finalize removes what replicates, so that no slot outlives its upgrade, and what isn't in Git yet: the volume of a physical copy,
// and a branch that waits to be merged. It says what it leaves: instances and commits stay as Git has them, since deleting this
// object says nothing about the database.
func (r *UpgradeReconciler) finalize(ctx context.Context, upgrade *v1alpha1.PgUpgrade) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(upgrade, v1alpha1.Finalizer) {
		return ctrl.Result{}, nil
	}
	var rest remainder
	if ended, err := r.endCopy(ctx, upgrade); !ended && r.Now().Sub(upgrade.DeletionTimestamp.Time) < deletePatience {
		o := outcome.Outcome{Reason: v1alpha1.ReasonProgressing, Message: "deleting: the Jobs of the copy end", RequeueAfter: outcome.RetrySoon}
		if err != nil {
			o = outcome.Of(err, v1alpha1.ReasonProgressing)
		}
		outcome.Report(upgrade, o)
		return ctrl.Result{RequeueAfter: outcome.RetrySoon}, nil
	}
	for range 2 { // subscriptions first, then the slots that they held
		rest = remainder{}
		for _, instance := range []string{upgrade.Status.To, upgrade.Status.From} {
			if instance != "" {
				r.clear(ctx, upgrade, instance, &rest)
			}
		}
	}
	for _, remove := range []func(context.Context, *v1alpha1.PgUpgrade) error{r.clearSeed, r.clearProposal} {
		if err := remove(ctx, upgrade); err != nil {
			rest.left, rest.waits, rest.trouble = append(rest.left, err.Error()), true, err
		}
	}
	if rest.waits && r.Now().Sub(upgrade.DeletionTimestamp.Time) < deletePatience {
		o := outcome.Outcome{Reason: v1alpha1.ReasonProgressing, RequeueAfter: outcome.RetryStalled}
		if rest.trouble != nil {
			o = outcome.Of(rest.trouble, v1alpha1.ReasonProgressing)
		}
		o.Message = "deleting: not everything is removed yet: " + strings.Join(rest.left, "; ")
		outcome.Report(upgrade, o)
		return ctrl.Result{RequeueAfter: outcome.RetryStalled}, nil
	}
	if len(rest.left) > 0 {
		logs.For(ctx, upgrade).Info("deleted, but something is left behind", "left", rest.left)
		r.Recorder.Event(upgrade, corev1.EventTypeWarning, "LeftBehind", leftBehindText(rest.left))
	}
	r.repositories.forget(string(upgrade.UID))
	controllerutil.RemoveFinalizer(upgrade, v1alpha1.Finalizer)
	return ctrl.Result{}, nil
}

// endCopy deletes the Jobs of a parallel copy, and says whether they are gone: they use what is removed next.
func (r *UpgradeReconciler) endCopy(ctx context.Context, upgrade *v1alpha1.PgUpgrade) (bool, error) {
	run := r.run(upgrade, &observed{})
	left, err := steps.CopyJobs(ctx, run)
	if err == nil && len(left) > 0 {
		err = steps.EndCopyJobs(ctx, run)
	}
	return err == nil && len(left) == 0, err
}

// clearSeed removes the volume claim of a physical copy that isn't in Git yet: a later upgrade would find it in its way. The
// Job goes with the PgUpgrade that owns it.
func (r *UpgradeReconciler) clearSeed(ctx context.Context, upgrade *v1alpha1.PgUpgrade) error {
	if upgrade.Status.Step != steps.Seed {
		return nil
	}
	port := &cluster.Port{Client: r.Client, Namespace: upgrade.Namespace, Upgrade: upgrade.Name}
	return port.DeleteVolumesOf(ctx, upgrade.Status.To, upgrade.Status.Run)
}

// clearProposal removes the branch whose merge would go on with an upgrade that is gone.
func (r *UpgradeReconciler) clearProposal(ctx context.Context, upgrade *v1alpha1.PgUpgrade) error {
	p := upgrade.Status.Proposal
	if p == nil {
		return nil
	}
	s := &observed{}
	if r.fleet == nil {
		var err error
		if s, err = r.fleetOf(ctx, upgrade); err != nil {
			return fmt.Errorf("branch %s: %w", p.Branch, err)
		}
	}
	if err := r.git(upgrade, s).Withdraw(ctx, *p); err != nil {
		return err
	}
	upgrade.Status.Proposal = nil
	return nil
}

// remainder is what a deletion could not remove.
type remainder struct {
	// left names each thing, where it is, why it stays, and the SQL that removes it.
	left []string
	// waits: another attempt may help.
	waits bool
	// trouble is the last error that has a meaning of its own.
	trouble error
}

// clear removes everything of the upgrade from one server and notes what stays.
func (r *UpgradeReconciler) clear(ctx context.Context, upgrade *v1alpha1.PgUpgrade, instance string, rest *remainder) {
	names := postgres.Names{UID: string(upgrade.UID)}
	remove := r.remove
	if remove == nil {
		remove = replication.RemoveAll
	}
	server, err := access.ServerOf(ctx, r.Uncached, upgrade, instance)
	var left []string
	if err == nil {
		if stay, err := steps.IdentitiesThatStay(ctx, server, upgrade.Status.Databases, names); err == nil && stay != "" {
			r.Recorder.Event(upgrade, corev1.EventTypeWarning, v1alpha1.ReasonReplicaIdentity, stay)
		}
		left, err = remove(ctx, server, names)
	}
	for _, l := range left {
		rest.left, rest.waits = append(rest.left, "on "+instance+": "+l), true
	}
	unasked := func() {
		rest.left = append(rest.left, fmt.Sprintf("on %s: slots called %s_* may be left and hold WAL: %v (by hand: %s)",
			instance, names.Prefix(), err, replication.RemovalByHand(names)))
	}
	switch {
	case err == nil, postgres.HostMissing(err):
		// a server that is gone took its slots along
	case outcome.ReasonOf(err, "").Reason == v1alpha1.ReasonSecretNotFound:
		// without its password there is nothing to wait for; between two runs nothing replicates
		if upgrade.Status.Workflow != "" {
			unasked()
		}
	default:
		unasked()
		rest.waits, rest.trouble = true, err
	}
}

// eventLimit is what Kubernetes takes of an event's message, with room for the rest of it.
const eventLimit = 1000

// leftBehindText names as much as fits into an event, and counts the rest.
func leftBehindText(left []string) string {
	text := "deleted, but not everything could be removed: "
	for i, l := range left {
		if more := fmt.Sprintf("; and %d more, see the controller's log", len(left)-i); i > 0 && len(text)+len(l)+len(more) > eventLimit {
			return text + more
		}
		if i > 0 {
			text += "; "
		}
		text += l
	}
	return text
}
