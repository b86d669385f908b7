package controllers

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps/switchover"
)

const (
	defaultPatience = time.Minute
	// mostReleases is how often clients may wait for an attempt that is given up early; then more patience doesn't help.
	mostReleases = 3
)

// patienceLeft is for how long a switch that begins now may wait for a better moment.
func patienceLeft(p *v1alpha1.PgProxy, now time.Time) time.Duration {
	patience := defaultPatience
	if d := p.Spec.Switch.Patience; d != nil {
		patience = d.Duration
	}
	w := p.Status.Waiting
	if w == nil {
		return patience
	}
	if w.Released >= mostReleases {
		return 0
	}
	// a clock that was set back gives no more than the whole
	return min(patience, max(0, patience-now.Sub(w.Since.Time)))
}

// waits begins to count patience once nothing but transactions is in the way, and again from the start after any other obstacle.
func (r *ProxyReconciler) waits(p *v1alpha1.PgProxy, obstacles []switchover.Obstacle) {
	others := slices.ContainsFunc(obstacles, func(o switchover.Obstacle) bool { return o.Kind != switchover.LongTransaction })
	switch {
	case others:
		p.Status.Waiting = nil
	case p.Status.Waiting == nil:
		p.Status.Waiting = &v1alpha1.WaitingStatus{Since: metav1.NewMicroTime(r.Now())}
	}
}

// released is the outcome of an attempt that was given up early, since its hold would have been, or was, too long. It
// doesn't count as an attempt: patience bounds it, and the number of those for which clients waited.
func (r *ProxyReconciler) released(x *proxyScope, aborted *switchover.AbortedError) outcome.Outcome {
	p := x.proxy
	r.waits(p, nil)
	if !aborted.Result.HeldAt.IsZero() {
		r.record(p, aborted.Result, "Aborted", aborted.Error())
		p.Status.Waiting.Released++
		r.Recorder.Eventf(p, corev1.EventTypeNormal, v1alpha1.ReasonSwitchWaiting, "clients were let go after %d ms, and the switch to %s waits for a better moment: %v",
			aborted.Result.Held.Milliseconds(), p.Spec.Target, aborted.Why)
	}
	p.Status.Switch = nil
	return outcome.Outcome{Reason: v1alpha1.ReasonSwitchWaiting, RequeueAfter: outcome.RetrySoon,
		Message: fmt.Sprintf("%s serves; the switch to %s waits for a better moment: %v", p.Status.Active, p.Spec.Target, aborted.Why)}
}

// forgetAttempts to reach another target than this.
func forgetAttempts(p *v1alpha1.PgProxy, target string) {
	p.Status.FailedTarget, p.Status.FailedAttempts, p.Status.LastFailure, p.Status.NextAttempt, p.Status.Waiting = target, 0, "", nil, nil
}
