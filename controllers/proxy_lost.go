package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/cluster"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/pooler"
	"github.com/gitover/gitover/steps/switchover"
)

// agentPatience is how long an agent gets to answer before its node is checked.
const agentPatience = time.Second

// withoutLost leaves out the poolers that don't answer and whose node is silent: a switch must not wait for a dead node. Clients that such a pooler may still carry meet the fence; it follows the PgProxy when it is back.
// Each agent is asked once, all at a time.
func (r *ProxyReconciler) withoutLost(ctx context.Context, p *v1alpha1.PgProxy, found []switchover.Pooler, pods map[string]*corev1.Pod) []switchover.Pooler {
	_, errs := askAll(ctx, found, agentPatience)
	lost := make([]string, len(found))
	for i, pooler := range found {
		var silent *protocol.UnreachableError
		if errors.As(errs[i], &silent) {
			lost[i] = nodeLost(pods[pooler.Name()])
		}
	}
	var left []switchover.Pooler
	var words []string
	for i, pooler := range found {
		if lost[i] == "" {
			left = append(left, pooler)
			continue
		}
		words = append(words, fmt.Sprintf("pooler %s: %s", pooler.Name(), lost[i]))
	}
	if len(words) > 0 {
		r.Recorder.Eventf(p, corev1.EventTypeWarning, "PoolerLost", "a switch does without %s", strings.Join(words, "; "))
	}
	return left
}

// nodeLost says why a pod's node doesn't run it any more; empty if it does. Once a node is silent, Kubernetes marks its
// pods as not ready, but keeps the kubelet's last report that their containers are ready, and evicts them later.
func nodeLost(pod *corev1.Pod) string {
	if pod.DeletionTimestamp != nil && cluster.HasCondition(pod, corev1.DisruptionTarget, corev1.ConditionTrue, "DeletionByTaintManager") {
		return fmt.Sprintf("it is evicted from node %s", pod.Spec.NodeName)
	}
	if len(pod.Spec.ReadinessGates) == 0 && cluster.HasCondition(pod, corev1.PodReady, corev1.ConditionFalse, "") &&
		cluster.HasCondition(pod, corev1.ContainersReady, corev1.ConditionTrue, "") {
		return fmt.Sprintf("its node %s is silent", pod.Spec.NodeName)
	}
	return ""
}

// Averages sums up what passed the poolers of a proxy. Those that don't answer are left out; that none answers is an error.
func (r *ProxyReconciler) Averages(ctx context.Context, p *v1alpha1.PgProxy) (sum pooler.Averages, err error) {
	x := &proxyScope{proxy: p}
	if x.identity, err = r.identity(ctx, p); err != nil {
		return sum, err
	}
	found, err := r.poolers(ctx, x)
	if err != nil {
		return sum, err
	}
	answered, why := false, errors.New("no running pod matches spec.pooler.selector of the PgProxy")
	for _, one := range found {
		measures, ok := one.(interface {
			Averages(ctx context.Context) (pooler.Averages, error)
		})
		if !ok {
			continue
		}
		averages, err := measures.Averages(ctx)
		if err != nil {
			why = err
			continue
		}
		sum, answered = sum.Add(averages), true
	}
	if !answered {
		return sum, why
	}
	return sum, nil
}
