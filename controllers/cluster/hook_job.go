package cluster

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/hooks"
)

// HookJob reads the state of a hook's Job, past the cache: a Job that was just created must not look as if it were gone.
func (c *Port) HookJob(ctx context.Context, name string) (hooks.JobState, bool, error) {
	var jobs batchv1.JobList
	if err := c.Uncached.List(ctx, &jobs, client.InNamespace(c.Namespace), client.MatchingLabels{v1alpha1.UpgradeLabel: c.Upgrade}); err != nil {
		return hooks.JobState{}, false, fmt.Errorf("read Job %s: %w", name, err)
	}
	for _, job := range jobs.Items {
		if job.Name == name {
			state, err := c.hookState(ctx, &job)
			return state, true, err
		}
	}
	return hooks.JobState{}, false, nil
}

func (c *Port) hookState(ctx context.Context, job *batchv1.Job) (state hooks.JobState, err error) {
	var pods corev1.PodList
	if err := c.Uncached.List(ctx, &pods, client.InNamespace(c.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name}); err != nil {
		return state, fmt.Errorf("list pods of Job %s: %w", job.Name, err)
	}
	state.Created = job.CreationTimestamp.Time
	for _, condition := range job.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			continue
		}
		switch condition.Type {
		case batchv1.JobComplete:
			state.Succeeded = true
		case batchv1.JobFailed:
			state.Failed, state.Reason = true, condition.Reason
		default: // not yet over
		}
	}
	switch {
	case state.Succeeded, state.Failed:
	case len(pods.Items) == 0: // Pod Security or a quota may forbid it, of which events of the Job tell
		state.Waiting = "it has no pod yet (kubectl describe job " + job.Name + ")"
	default:
		state.Waiting = podWaits(pods.Items)
	}
	state.Output = c.outputOf(ctx, pods.Items)
	return state, nil
}

// podWaits is what keeps the pods of a hook from running.
func podWaits(pods []corev1.Pod) string {
	trouble := podTrouble(pods)
	if len(trouble) > 2 {
		return trouble[2:] // without what joins it to another sentence
	}
	return ""
}

const (
	// outputLines and outputBytes of a hook are read at most.
	outputLines = 30
	outputBytes = 16 << 10
)

// outputOf the newest pod that has one: its failed container, or the first. Empty while there's none, or it can't be read: the hook's
// result doesn't depend on it.
func (c *Port) outputOf(ctx context.Context, pods []corev1.Pod) string {
	var newest *corev1.Pod
	for i := range pods {
		if newest == nil || pods[i].CreationTimestamp.After(newest.CreationTimestamp.Time) {
			newest = &pods[i]
		}
	}
	if newest == nil || len(newest.Spec.Containers) == 0 || newest.Status.Phase == corev1.PodPending {
		return ""
	}
	container := failedContainer(*newest)
	if container == "" {
		container = newest.Spec.Containers[0].Name
	}
	lines, bytes := int64(outputLines), int64(outputBytes)
	text, err := c.Pods.CoreV1().Pods(c.Namespace).GetLogs(newest.Name, &corev1.PodLogOptions{Container: container, TailLines: &lines, LimitBytes: &bytes}).DoRaw(ctx)
	if err != nil {
		return ""
	}
	return string(text)
}

// TryJob asks the API server whether it would take the Job. One that is there was taken.
func (c *Port) TryJob(ctx context.Context, job *batchv1.Job) error {
	err := c.Create(ctx, job.DeepCopy(), client.DryRunAll, client.FieldOwner(v1alpha1.FieldManager))
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
