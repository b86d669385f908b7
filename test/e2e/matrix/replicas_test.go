package matrix

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/test/e2e/testenv"
)

// replicas of a controller with crash points, of which one leads, in the namespace of one
// database.
type replicas struct {
	*testenv.Environment
	namespace string
}

// Their lease is short, so that 170 takeovers fit into minutes (the default is 15 s), and long enough for a leader that lingers
// at a point on a busy machine to keep it: another would pass the point by.
const overlay = `apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: %[1]s
resources:
- BASE
images:
- name: gitover.local/gitover
  newTag: crashpoints
replicas:
- name: gitover-controller
  count: 2
patches:
- target: {kind: Deployment, name: gitover-controller}
  patch: |
    - {op: add, path: /spec/template/spec/containers/0/args/-, value: --leader-election-lease-duration=6s}
    - {op: add, path: /spec/template/spec/containers/0/args/-, value: --leader-election-renew-deadline=5s}
    - {op: add, path: /spec/template/spec/containers/0/args/-, value: --leader-election-retry-period=400ms}
    - {op: add, path: /spec/template/spec/containers/0/env/-, value: {name: GITOVER_CRASH_REFEREE, value: "%[2]s"}}
    # a process can't send SIGKILL to itself while it is the first of its namespace
    - {op: add, path: /spec/template/spec/shareProcessNamespace, value: true}
    - {op: replace, path: /spec/template/spec/containers/0/resources/requests/cpu, value: 5m}
`

// install both replicas, which ask the referee at this URL.
func (r *replicas) install(ctx context.Context, referee string) error {
	return r.InstallNamespaced(ctx, r.namespace, fmt.Sprintf(overlay, r.namespace, referee))
}

// remove them; who clears the namespace frees what they worked for.
func (r *replicas) remove(ctx context.Context) error {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: "gitover-controller"}}
	if err := client.IgnoreNotFound(r.Client.Delete(ctx, deployment)); err != nil {
		return err
	}
	return r.Await(ctx, time.Minute, "the end of the controllers", func(ctx context.Context) (bool, string, error) {
		pods, err := r.pods(ctx)
		for _, p := range pods {
			err = errors.Join(err, client.IgnoreNotFound(r.Client.Delete(ctx, &p, client.GracePeriodSeconds(0))))
		}
		return len(pods) == 0, fmt.Sprintf("%d pods", len(pods)), err
	})
}

func (r *replicas) pods(ctx context.Context) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := r.Client.List(ctx, &list, client.InNamespace(r.namespace),
		client.MatchingLabels{"app.kubernetes.io/name": "gitover", "app.kubernetes.io/component": "controller"})
	return list.Items, err
}

// AwaitStandby implements replacer.
func (r *replicas) AwaitStandby(ctx context.Context, pod string) error {
	return r.Await(ctx, 2*time.Minute, "a standby for "+pod, func(ctx context.Context) (bool, string, error) {
		pods, err := r.pods(ctx)
		for _, p := range pods {
			if p.Name != pod && p.DeletionTimestamp == nil && isReady(p) {
				return true, p.Name, nil
			}
		}
		return false, "none is ready", err
	})
}

// Bury implements replacer: what was killed by SIGKILL exits with 128 + 9. Another pod in its
// place begins without the kubelet's back-off.
func (r *replicas) Bury(ctx context.Context, pod string) error {
	key := client.ObjectKey{Namespace: r.namespace, Name: pod}
	err := r.Await(ctx, time.Minute, "the death of "+pod, func(ctx context.Context) (bool, string, error) {
		var p corev1.Pod
		if err := r.Client.Get(ctx, key, &p); err != nil {
			return false, "", err
		}
		for _, s := range p.Status.ContainerStatuses {
			for _, state := range []*corev1.ContainerStateTerminated{s.State.Terminated, s.LastTerminationState.Terminated} {
				if state != nil && state.ExitCode == 128+9 {
					return true, state.Reason, nil
				}
			}
		}
		return false, "it runs", nil
	})
	if err != nil {
		return err
	}
	gone := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: pod}}
	return client.IgnoreNotFound(r.Client.Delete(ctx, gone, client.GracePeriodSeconds(0)))
}

func isReady(p corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
