package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/proxy"
)

// agentPatience is how long an agent gets to answer before its node is asked about.
const agentPatience = 2 * time.Second

// withoutLost leaves out the poolers that don't answer and whose node is gone or not ready: a switch must not wait for
// a dead node. Clients that such a pooler may still carry meet the fence; it follows the PgProxy when it is back.
// Each agent is asked once, all at a time.
func (r *ProxyReconciler) withoutLost(ctx context.Context, p *v1alpha1.PgProxy, found []proxy.Pooler, nodes map[string]string) ([]proxy.Pooler, error) {
	lost := make([]string, len(found))
	var group errgroup.Group
	for i, pooler := range found {
		group.Go(func() error {
			asking, cancel := context.WithTimeout(ctx, agentPatience)
			defer cancel()
			_, err := pooler.State(asking)
			var silent *proxy.Unreachable
			if !errors.As(err, &silent) {
				return nil
			}
			lost[i], err = r.nodeLost(ctx, nodes[pooler.Name()])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var left []proxy.Pooler
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
	return left, nil
}

// nodeLost says why a node can't run pods now; empty if it can, or if that can't be told.
func (r *ProxyReconciler) nodeLost(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	node := &corev1.Node{}
	err := r.Uncached.Get(ctx, client.ObjectKey{Name: name}, node)
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Sprintf("its node %s is gone", name), nil
	case apierrors.IsForbidden(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read node %s: %w", name, err)
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			return fmt.Sprintf("its node %s is not ready", name), nil
		}
	}
	return "", nil
}
