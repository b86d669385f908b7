package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps"
)

// Workload reads what runs an instance: its StatefulSets and Deployments, its pods where an operator makes them without
// either, and the operator's own object that they belong to.
func (c *Port) Workload(ctx context.Context, instance string) (steps.Workload, error) {
	w := workload{port: c, Workload: steps.Workload{Ready: true}}
	if err := w.noteSets(ctx, instance); err != nil {
		return steps.Workload{}, err
	}
	var pods corev1.PodList
	if err := c.List(ctx, &pods, c.of(instance)...); err != nil {
		return steps.Workload{}, fmt.Errorf("list pods of %s: %w", instance, err)
	}
	alive := slices.DeleteFunc(slices.Clone(pods.Items), left)
	if !w.Found {
		w.notePods(alive)
	}
	if !w.Found {
		w.fail("no StatefulSet, Deployment or pod carries the label %s=%s yet", v1alpha1.InstanceLabel, instance)
		return w.Workload, nil
	}
	if ready, least := countReady(alive), int(c.Spec.MinReady); ready < least {
		w.fail("%d of %d pods are ready, as spec.instance.minReady asks", ready, least)
	}
	if err := w.noteOwners(ctx); err != nil {
		return steps.Workload{}, err
	}
	volumes, err := c.volumesOf(ctx, instance, alive)
	if err != nil {
		return steps.Workload{}, err
	}
	w.Volumes = volumes
	if !w.Ready {
		w.Message += podTrouble(pods.Items)
	}
	return w.Workload, nil
}

// workload is the state of an instance while it is read.
type workload struct {
	steps.Workload
	port   *Port
	owners []metav1.OwnerReference
}

// fail keeps the first reason.
func (w *workload) fail(format string, args ...any) {
	w.Ready = false
	w.Message = cmp.Or(w.Message, fmt.Sprintf(format, args...))
}

// noteSets reads the instance's StatefulSets and Deployments.
func (w *workload) noteSets(ctx context.Context, instance string) error {
	var sets appsv1.StatefulSetList
	if err := w.port.List(ctx, &sets, w.port.of(instance)...); err != nil {
		return fmt.Errorf("list StatefulSets of %s: %w", instance, err)
	}
	var deployments appsv1.DeploymentList
	if err := w.port.List(ctx, &deployments, w.port.of(instance)...); err != nil {
		return fmt.Errorf("list Deployments of %s: %w", instance, err)
	}
	note := func(kind string, object metav1.Object, template corev1.PodTemplateSpec, want *int32, ready int32, current bool) {
		w.found(template, object)
		if n := ptr.Deref(want, 1); ready < n || !current {
			w.fail("%s %s has %d of %d pods ready", kind, object.GetName(), ready, n)
		}
	}
	for _, s := range sets.Items {
		note("StatefulSet", &s, s.Spec.Template, s.Spec.Replicas, s.Status.ReadyReplicas, s.Status.ObservedGeneration >= s.Generation)
	}
	for _, d := range deployments.Items {
		note("Deployment", &d, d.Spec.Template, d.Spec.Replicas, d.Status.ReadyReplicas, d.Status.ObservedGeneration >= d.Generation)
	}
	return nil
}

// notePods judges pods that an operator makes itself. How many there shall be is the operator's object to know.
func (w *workload) notePods(pods []corev1.Pod) {
	for _, pod := range pods {
		w.found(corev1.PodTemplateSpec{Spec: pod.Spec}, &pod)
		if !podReady(pod) {
			w.fail("pod %s is not ready", pod.Name)
		}
	}
}

func (w *workload) found(pods corev1.PodTemplateSpec, object metav1.Object) {
	w.Found = true
	w.Image = cmp.Or(w.Image, w.port.DatabaseImage(pods))
	owner := metav1.GetControllerOf(object)
	if owner != nil && !slices.ContainsFunc(w.owners, func(o metav1.OwnerReference) bool { return o.UID == owner.UID }) {
		w.owners = append(w.owners, *owner)
	}
}

// left: the pod has done its work, as those of an operator's Jobs, or is about to go.
func left(pod corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed || pod.DeletionTimestamp != nil
}

func podReady(pod corev1.Pod) bool {
	return HasCondition(&pod, corev1.PodReady, corev1.ConditionTrue, "")
}

// HasCondition says whether a pod has a condition with this status, and this reason unless it is empty.
func HasCondition(pod *corev1.Pod, kind corev1.PodConditionType, status corev1.ConditionStatus, reason string) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == kind && c.Status == status && (reason == "" || c.Reason == reason)
	})
}

func countReady(pods []corev1.Pod) (n int) {
	for _, pod := range pods {
		if podReady(pod) {
			n++
		}
	}
	return n
}

// DatabaseImage is the image of the container whose image spec.instance.images renders; the first container's otherwise.
func (c *Port) DatabaseImage(template corev1.PodTemplateSpec) string {
	for _, container := range template.Spec.Containers {
		for _, image := range c.Spec.Images {
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
