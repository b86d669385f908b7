package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps/failover"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/fence"
	"github.com/gitover/gitover/steps/switchover"
)

// letsIn makes sure that the serving side lets applications in: nil if it does. It doesn't if its primary was
// replaced right after a switch by a standby that had not replayed the end of the fence, or if a switch away from
// it was forgotten.
func (r *ProxyReconciler) letsIn(ctx context.Context, x *proxyScope, server postgres.Server) *outcome.Outcome {
	fenced, err := postgres.IsFenced(ctx, server)
	if err != nil {
		o := outcome.Of(err, v1alpha1.ReasonServerUnreachable)
		return &o
	}
	if !fenced {
		return nil
	}
	live, err := r.liveSwitch(ctx, x)
	if err != nil {
		o := outcome.Of(err, v1alpha1.ReasonSwitching)
		return &o
	}
	if live != nil {
		return &outcome.Outcome{Reason: v1alpha1.ReasonSwitching, RequeueAfter: outcome.RetrySoon, Message: fmt.Sprintf("controller %s carries out a switch", live.Controller)}
	}
	if err := r.reopen(ctx, x, server); err != nil {
		o := outcome.Of(err, v1alpha1.ReasonFenced)
		o.Reason, o.RequeueAfter, o.Failing = v1alpha1.ReasonFenced, outcome.RetrySoon, false // clients wait
		o.Message = fmt.Sprintf("%s serves, but refuses applications: %s", server.Instance, o.Message)
		return &o
	}
	if fenced, err = postgres.IsFenced(ctx, server); err != nil || fenced {
		return &outcome.Outcome{Reason: v1alpha1.ReasonFenced, RequeueAfter: outcome.RetrySoon,
			Message: fmt.Sprintf(`%s serves, but refuses applications, and nothing in its register says why; see "Both sides are closed" in docs/operations.md`, server.Instance)}
	}
	r.Recorder.Eventf(x.proxy, corev1.EventTypeWarning, "Reopened", "%s serves, but refused applications: opened again", server.Instance)
	return nil
}

// closed is letsIn for the active side if it answers: a switch reports its other problems better.
func (r *ProxyReconciler) closed(ctx context.Context, x *proxyScope) *outcome.Outcome {
	server, err := r.server(ctx, x, x.proxy.Status.Active)
	if err != nil {
		return nil
	}
	if fenced, err := postgres.IsFenced(ctx, server); err != nil || !fenced {
		return nil
	}
	return r.letsIn(ctx, x, server)
}

// reopen ends what keeps the active side closed.
func (r *ProxyReconciler) reopen(ctx context.Context, x *proxyScope, server postgres.Server) error {
	last := lastSwitchTo(x.proxy, x.proxy.Status.Active)
	if last == nil {
		return errors.New("no switch is known that led to it")
	}
	in, err := r.input(ctx, x, last.ID, last.From, last.To)
	if err != nil {
		return err
	}
	away := in
	away.From, away.To = in.To, in.From
	if err := switchover.AbortOrphanedSwitches(ctx, away); err != nil {
		return err
	}
	if fenced, err := postgres.IsFenced(ctx, server); err != nil || !fenced {
		return err // its rollback path is as it was
	}
	if err := switchover.Reopen(ctx, in); err != nil {
		return err
	}
	// the slots of the rollback path went with the primary that is gone
	return switchover.Abandon(ctx, in)
}

// lastSwitchTo is the latest switch that was made, if it led to instance.
func lastSwitchTo(p *v1alpha1.PgProxy, instance string) *v1alpha1.SwitchRecord {
	for i := range p.Status.Switches {
		if s := &p.Status.Switches[i]; s.Outcome == "Switched" {
			if s.To == instance {
				return s
			}
			return nil
		}
	}
	return nil
}

// staysFenced fences the side that follows again if it lets applications in: a standby took its primary's place that had not
// replayed the fence, or people opened it. The status says so before, since the PgUpgrade's controller must not overwrite what
// applications wrote there. A side that doesn't answer is reported by rollbackPath.
func (r *ProxyReconciler) staysFenced(ctx context.Context, x *proxyScope) {
	p, other := x.proxy, follows(x)
	if other == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	follower, err := access.ServerOf(ctx, r.Uncached, x.upgrade, other)
	if err != nil {
		return
	}
	open, err := fence.OpenDatabases(ctx, follower, x.upgrade.Status.Databases)
	if err != nil || len(open) == 0 {
		return
	}
	if err := r.fenceAgain(ctx, x, follower); err != nil {
		r.Recorder.Eventf(p, corev1.EventTypeWarning, "FencedAgain", "%s lets applications in, though %s serves, and can't be fenced: %v", other, p.Status.Active, err)
		return
	}
	r.Recorder.Eventf(p, corev1.EventTypeWarning, "FencedAgain", "%s let applications in, though %s serves: fenced again (databases: %s)", other, p.Status.Active, strings.Join(open, ", "))
}

func (r *ProxyReconciler) fenceAgain(ctx context.Context, x *proxyScope, follower postgres.Server) error {
	p := x.proxy
	now, err := failover.Identities(ctx, follower)
	if err != nil {
		return err
	}
	if failover.Opened(x.upgrade.Status, p) == nil { // the last time was noted
		p.Status.FencedAgain = &v1alpha1.FencedAgainStatus{ServerIdentity: now[0], At: metav1.NewMicroTime(r.Now().Truncate(time.Microsecond))}
	}
	if err := persist(ctx, x.patcher, p); err != nil {
		return err
	}
	if err := fence.EnsureRegister(ctx, follower, agentRole, x.identity.password); err != nil {
		return err
	}
	return fence.Again(ctx, follower, x.upgrade.Status.Databases, func(ctx context.Context) (bool, error) {
		live := &v1alpha1.PgProxy{}
		err := r.Uncached.Get(ctx, client.ObjectKeyFromObject(p), live)
		return live.Status.Switch != nil || live.Status.Active != p.Status.Active, err
	})
}
