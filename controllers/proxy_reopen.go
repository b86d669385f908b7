package controllers

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps/postgres"
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
