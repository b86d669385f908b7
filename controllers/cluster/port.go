package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres/fence"
)

// Port is what the steps may ask of Kubernetes: the objects that carry the
// instance's label in the upgrade's own namespace, and schema Jobs.
type Port struct {
	client.Client
	// Uncached reads objects of an operator's own kinds, which no cache watches
	Uncached client.Reader
	// Pods are read for their logs alone
	Pods kubernetes.Interface
	// Namespace and name of the PgUpgrade
	Namespace, Upgrade string
	Spec               v1alpha1.InstanceSpec
	// Self is the controller's own pod
	Self Self
}

func (c *Port) of(instance string) []client.ListOption {
	return []client.ListOption{client.InNamespace(c.Namespace),
		client.MatchingLabels{v1alpha1.UpgradeLabel: c.Upgrade, v1alpha1.InstanceLabel: instance}}
}

// podTrouble names what keeps pods from being ready.
func podTrouble(pods []corev1.Pod) string {
	for _, pod := range pods {
		for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			if w := status.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
				return strings.TrimRight(fmt.Sprintf("; pod %s: %s %s (image %s)", pod.Name, w.Reason, w.Message, status.Image), " ")
			}
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
				return fmt.Sprintf("; pod %s can't be scheduled: %s", pod.Name, condition.Message)
			}
		}
	}
	return ""
}

// Gone looks for pods and volume claims that outlive their manifests.
func (c *Port) Gone(ctx context.Context, instance string) (bool, string, error) {
	var left []string
	var pods corev1.PodList
	if err := c.List(ctx, &pods, c.of(instance)...); err != nil {
		return false, "", fmt.Errorf("list pods of %s: %w", instance, err)
	}
	for _, p := range pods.Items {
		left = append(left, "pod "+p.Name)
	}
	var claims corev1.PersistentVolumeClaimList
	if err := c.List(ctx, &claims, c.of(instance)...); err != nil {
		return false, "", fmt.Errorf("list volume claims of %s: %w", instance, err)
	}
	for _, p := range claims.Items {
		left = append(left, "PersistentVolumeClaim "+p.Name)
	}
	return len(left) == 0, strings.Join(left, ", "), nil
}

// DeleteVolumes deletes the volume claims that carry the instance's label.
func (c *Port) DeleteVolumes(ctx context.Context, instance string) error {
	return c.deleteVolumes(ctx, instance, func(corev1.PersistentVolumeClaim) bool { return true })
}

// DeleteVolumesOf deletes those volume claims of the instance that a run made for its physical copy.
func (c *Port) DeleteVolumesOf(ctx context.Context, instance, run string) error {
	return c.deleteVolumes(ctx, instance, func(claim corev1.PersistentVolumeClaim) bool { return claim.Annotations[v1alpha1.RunAnnotation] == run })
}

func (c *Port) deleteVolumes(ctx context.Context, instance string, which func(corev1.PersistentVolumeClaim) bool) error {
	var claims corev1.PersistentVolumeClaimList
	if err := c.List(ctx, &claims, c.of(instance)...); err != nil {
		return fmt.Errorf("list volume claims of %s: %w", instance, err)
	}
	for i, claim := range claims.Items {
		if !which(claim) {
			continue
		}
		if err := c.Delete(ctx, &claims.Items[i]); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete volume claim %s: %w", claim.Name, err)
		}
	}
	return nil
}

// CreateVolume makes the claim of a physical copy, unless it is there for the same run.
func (c *Port) CreateVolume(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	err := c.Create(ctx, claim.DeepCopy(), client.FieldOwner(v1alpha1.FieldManager))
	if err == nil {
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create PersistentVolumeClaim %s: %w", claim.Name, err)
	}
	have := &corev1.PersistentVolumeClaim{}
	if err := c.Get(ctx, client.ObjectKeyFromObject(claim), have); err != nil {
		return fmt.Errorf("read PersistentVolumeClaim %s: %w", claim.Name, err)
	}
	if have.Annotations[v1alpha1.RunAnnotation] != claim.Annotations[v1alpha1.RunAnnotation] || have.DeletionTimestamp != nil {
		return fmt.Errorf("%w: PersistentVolumeClaim %s is there already, perhaps from an earlier instance; delete it so that the instance starts empty", fence.ErrNotFresh, claim.Name)
	}
	return nil
}

// DeleteJob deletes a Job, which is gone once its pods are.
func (c *Port) DeleteJob(ctx context.Context, name string) error {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: name}}
	if err := c.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationForeground)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete Job %s: %w", name, err)
	}
	return nil
}

// CreateJob unless it is there.
func (c *Port) CreateJob(ctx context.Context, job *batchv1.Job) error {
	if err := c.Create(ctx, job, client.FieldOwner(v1alpha1.FieldManager)); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create Job %s: %w", job.Name, err)
	}
	return nil
}

// Job reads the state of a Job.
func (c *Port) Job(ctx context.Context, name string) (steps.JobState, bool, error) {
	have := &batchv1.Job{}
	err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: name}, have)
	if apierrors.IsNotFound(err) {
		return steps.JobState{}, false, nil
	}
	if err != nil {
		return steps.JobState{}, false, fmt.Errorf("read Job %s: %w", name, err)
	}
	for _, condition := range have.Status.Conditions {
		if condition.Status != corev1.ConditionTrue {
			continue
		}
		switch condition.Type {
		case batchv1.JobComplete:
			return steps.JobState{Succeeded: true}, true, nil
		case batchv1.JobFailed:
			return steps.JobState{Failed: true, Message: condition.Reason + ": " + c.lastLines(ctx, have.Name, anyPod)}, true, nil
		default: // not yet over
		}
	}
	var pods corev1.PodList
	if err := c.List(ctx, &pods, client.InNamespace(c.Namespace), client.MatchingLabels{batchv1.JobNameLabel: name}); err != nil {
		return steps.JobState{}, true, fmt.Errorf("list pods of Job %s: %w", name, err)
	}
	state := steps.JobState{Message: podTrouble(pods.Items), Failures: int(have.Status.Failed)}
	if state.Failures > 0 {
		state.LastFailure = c.lastLines(ctx, name, failed)
	}
	return state, true, nil
}

func anyPod(corev1.Pod) bool { return true }

func failed(p corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed }

// lastLines of the newest of those pods of a Job; the programs print no secrets.
func (c *Port) lastLines(ctx context.Context, job string, which func(corev1.Pod) bool) string {
	var pods corev1.PodList
	err := c.List(ctx, &pods, client.InNamespace(c.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job})
	pods.Items = slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return !which(p) })
	if err != nil || len(pods.Items) == 0 {
		return "its pod is gone; see its events"
	}
	newest := pods.Items[0]
	for _, p := range pods.Items[1:] {
		if p.CreationTimestamp.After(newest.CreationTimestamp.Time) {
			newest = p
		}
	}
	lines, bytes := int64(5), int64(1000)
	options := &corev1.PodLogOptions{Container: failedContainer(newest), TailLines: &lines, LimitBytes: &bytes}
	answer := c.Pods.CoreV1().Pods(c.Namespace).GetLogs(newest.Name, options).Do(ctx)
	// Error reads the API server's own words, e.g. which right is missing
	if err := answer.Error(); err != nil {
		return fmt.Sprintf("kubectl logs %s tells more than Gitover could read (%v)", newest.Name, err)
	}
	text, err := answer.Raw()
	if err != nil {
		return "kubectl logs " + newest.Name + " tells more"
	}
	return strings.Join(strings.Fields(string(text)), " ")
}

// failedContainer of a pod with several; empty, which is the only one, if none has failed.
func failedContainer(pod corev1.Pod) string {
	for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			return s.Name
		}
	}
	return ""
}
