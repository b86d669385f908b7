package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps/switchover"
)

// patienceWithOthers is how long another controller may take for its switch, in addition to
// the limits of the hold and of transactions.
const patienceWithOthers = 30 * time.Second

// claim the switch in the status for this controller, if no client wrote to the object since it
// was read. Without leader election, one of two controllers gets it; for the other the status
// stays as before.
func (r *ProxyReconciler) claim(ctx context.Context, x *proxyScope, before *v1alpha1.SwitchStatus) error {
	p := x.proxy
	now := metav1.NewMicroTime(r.Now())
	p.Status.Switch.Controller, p.Status.Switch.ControllerSince = r.Identity, &now
	claimed := p.DeepCopy()
	base := p.DeepCopy()
	base.Status.Switch = before
	patch := client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})
	if err := r.Status().Patch(ctx, claimed, patch, client.FieldOwner(v1alpha1.FieldManager)); err != nil {
		p.Status.Switch = before
		return fmt.Errorf("claim switch %s: %w", claimed.Status.Switch.ID, err)
	}
	p.ResourceVersion = claimed.ResourceVersion
	return nil
}

// takeOver a switch that another controller began. An elected leader knows that the other one
// is gone; without leader election, the other gets time to finish, and the outcome says so.
func (r *ProxyReconciler) takeOver(ctx context.Context, x *proxyScope) *outcome.Outcome {
	s := x.proxy.Status.Switch
	if s.Controller == r.Identity {
		return nil
	}
	if left := r.patienceWith(s, limitsOf(x, r.Now())); left > 0 {
		return &outcome.Outcome{Reason: v1alpha1.ReasonSwitching, RequeueAfter: left,
			Message: fmt.Sprintf("controller %s switches to %s; two controllers work on this object: enable leader election", s.Controller, s.To)}
	}
	if err := r.claim(context.WithoutCancel(ctx), x, s.DeepCopy()); err != nil {
		o := claimConflict(err)
		return &o
	}
	return nil
}

// patienceWith another controller's switch: how much longer it is left alone.
func (r *ProxyReconciler) patienceWith(s *v1alpha1.SwitchStatus, limits switchover.Limits) time.Duration {
	if r.Elected || s.Controller == r.Identity || s.ControllerSince == nil {
		return 0
	}
	all := patienceWithOthers + limits.LongTransaction + limits.Hold
	left := s.ControllerSince.Add(all).Sub(r.Now())
	if left > all {
		return 0 // the clocks differ
	}
	return max(left, 0)
}

// claimConflict is the outcome of a claim that failed.
func claimConflict(err error) outcome.Outcome {
	if apierrors.IsConflict(err) {
		return outcome.Outcome{Reason: v1alpha1.ReasonSwitching, RequeueAfter: outcome.RetryMoment, Message: "the object changed a moment ago"}
	}
	return outcome.Of(err, v1alpha1.ReasonSwitching)
}

// liveSwitch is the one that the status names now; nil if there is none.
func (r *ProxyReconciler) liveSwitch(ctx context.Context, x *proxyScope) (*v1alpha1.SwitchStatus, error) {
	live := &v1alpha1.PgProxy{}
	err := r.Uncached.Get(ctx, client.ObjectKeyFromObject(x.proxy), live)
	return live.Status.Switch, err
}

// isOurs says whether the switch is still this controller's; true if that can't be read.
func (r *ProxyReconciler) isOurs(ctx context.Context, x *proxyScope) bool {
	s, err := r.liveSwitch(ctx, x)
	return err != nil || s != nil && s.ID == x.proxy.Status.Switch.ID && s.Controller == r.Identity
}
