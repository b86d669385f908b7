package controllers

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
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

// clusterPort is what the steps may ask of Kubernetes: the objects that carry the
// instance's label in the upgrade's own namespace, and schema Jobs.
type clusterPort struct {
	client.Client
	pods      kubernetes.Interface
	namespace string
	upgrade   string
	// images that spec.instance names, to tell the database's container from others
	images []v1alpha1.ImageSpec
}

func (c *clusterPort) of(instance string) []client.ListOption {
	return []client.ListOption{client.InNamespace(c.namespace),
		client.MatchingLabels{v1alpha1.UpgradeLabel: c.upgrade, v1alpha1.InstanceLabel: instance}}
}

// Workload reads the instance's StatefulSets and Deployments.
func (c *clusterPort) Workload(ctx context.Context, instance string) (steps.Workload, error) {
	var sets appsv1.StatefulSetList
	if err := c.List(ctx, &sets, c.of(instance)...); err != nil {
		return steps.Workload{}, fmt.Errorf("list StatefulSets of %s: %w", instance, err)
	}
	var deployments appsv1.DeploymentList
	if err := c.List(ctx, &deployments, c.of(instance)...); err != nil {
		return steps.Workload{}, fmt.Errorf("list Deployments of %s: %w", instance, err)
	}
	w := steps.Workload{Ready: true}
	note := func(kind, name string, template corev1.PodTemplateSpec, want *int32, ready int32, current bool) {
		w.Found = true
		if w.Image == "" {
			w.Image = c.DatabaseImage(template)
		}
		if n := replicas(want); ready < n || !current {
			w.Ready = false
			w.Message = fmt.Sprintf("%s %s has %d of %d pods ready", kind, name, ready, n)
		}
	}
	for _, s := range sets.Items {
		note("StatefulSet", s.Name, s.Spec.Template, s.Spec.Replicas, s.Status.ReadyReplicas, s.Status.ObservedGeneration >= s.Generation)
	}
	for _, d := range deployments.Items {
		note("Deployment", d.Name, d.Spec.Template, d.Spec.Replicas, d.Status.ReadyReplicas, d.Status.ObservedGeneration >= d.Generation)
	}
	if !w.Found {
		w.Ready = false
		w.Message = fmt.Sprintf("no StatefulSet or Deployment carries the label %s=%s yet", v1alpha1.InstanceLabel, instance)
	} else if !w.Ready {
		trouble, err := c.podTrouble(ctx, c.of(instance)...)
		if err != nil {
			return w, fmt.Errorf("pods of %s: %w", instance, err)
		}
		w.Message += trouble
	}
	return w, nil
}

// podTrouble names what keeps pods from being ready.
func (c *clusterPort) podTrouble(ctx context.Context, those ...client.ListOption) (string, error) {
	var pods corev1.PodList
	if err := c.List(ctx, &pods, those...); err != nil {
		return "", fmt.Errorf("list pods: %w", err)
	}
	for _, pod := range pods.Items {
		for _, status := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
			if w := status.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
				return strings.TrimRight(fmt.Sprintf("; pod %s: %s %s (image %s)", pod.Name, w.Reason, w.Message, status.Image), " "), nil
			}
		}
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
				return fmt.Sprintf("; pod %s can't be scheduled: %s", pod.Name, condition.Message), nil
			}
		}
	}
	return "", nil
}

// DatabaseImage is the image of the container whose image spec.instance.images renders;
// the first container's otherwise.
func (c *clusterPort) DatabaseImage(template corev1.PodTemplateSpec) string {
	for _, container := range template.Spec.Containers {
		for _, image := range c.images {
			if strings.HasPrefix(container.Image, cmp.Or(image.NewName, image.Name)+":") {
				return container.Image
			}
		}
	}
	if len(template.Spec.Containers) > 0 {
		return template.Spec.Containers[0].Image
	}
	return ""
}

func replicas(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

// Gone looks for pods and volume claims that outlive their manifests.
func (c *clusterPort) Gone(ctx context.Context, instance string) (bool, string, error) {
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
func (c *clusterPort) DeleteVolumes(ctx context.Context, instance string) error {
	var claims corev1.PersistentVolumeClaimList
	if err := c.List(ctx, &claims, c.of(instance)...); err != nil {
		return fmt.Errorf("list volume claims of %s: %w", instance, err)
	}
	for i := range claims.Items {
		if err := c.Delete(ctx, &claims.Items[i]); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete volume claim %s: %w", claims.Items[i].Name, err)
		}
	}
	return nil
}

// CreateVolume makes the claim of a physical copy, unless it is there for the same run.
func (c *clusterPort) CreateVolume(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
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
func (c *clusterPort) DeleteJob(ctx context.Context, name string) error {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: name}}
	if err := c.Delete(ctx, job, client.PropagationPolicy(metav1.DeletePropagationForeground)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete Job %s: %w", name, err)
	}
	return nil
}

// CreateJob unless it is there.
func (c *clusterPort) CreateJob(ctx context.Context, job *batchv1.Job) error {
	if err := c.Create(ctx, job, client.FieldOwner(v1alpha1.FieldManager)); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create Job %s: %w", job.Name, err)
	}
	return nil
}

// Job reads the state of a Job.
func (c *clusterPort) Job(ctx context.Context, name string) (steps.JobState, bool, error) {
	have := &batchv1.Job{}
	err := c.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: name}, have)
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
			return steps.JobState{Failed: true, Message: condition.Reason + ": " + c.lastLines(ctx, have.Name)}, true, nil
		default: // not yet over
		}
	}
	trouble, err := c.podTrouble(ctx, client.InNamespace(c.namespace), client.MatchingLabels{batchv1.JobNameLabel: name})
	return steps.JobState{Message: trouble}, true, err
}

// lastLines of the Job's newest pod; the scripts print no secrets.
func (c *clusterPort) lastLines(ctx context.Context, job string) string {
	var pods corev1.PodList
	if err := c.List(ctx, &pods, client.InNamespace(c.namespace), client.MatchingLabels{batchv1.JobNameLabel: job}); err != nil || len(pods.Items) == 0 {
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
	answer := c.pods.CoreV1().Pods(c.namespace).GetLogs(newest.Name, options).Do(ctx)
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
