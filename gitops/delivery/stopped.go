package delivery

import (
	"slices"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/gitops"
)

// Next says whether Flux would apply the next commit, whatever it is: Applied if so, Applying while that can't be told because Flux is at
// work, and otherwise what stops it, in Flux's own words. Objects are those that the commit is to change: Flux may have been told to
// skip them. It has no effect and reads nothing.
//
// Health checks that fail don't stop the next commit; they delay it until their timeout.
func Next(source *sourcev1.GitRepository, k *kustomizev1.Kustomization, objects ...client.Object) State {
	if s := NextFetch(source); s.Phase != Applied {
		return s
	}
	if other := followsAnother(k, client.ObjectKeyFromObject(source)); other != nil {
		return *other
	}
	if s := NextApply(k); s.Phase != Applied {
		return s
	}
	for _, object := range objects {
		for annotation, values := range skipping {
			if value := object.GetAnnotations()[annotation]; slices.Contains(values, lower(value)) {
				return state(Suspended, "Flux leaves %s/%s alone: remove its annotation %s: %s", object.GetNamespace(), object.GetName(), annotation, value)
			}
		}
	}
	return State{Phase: Applied}
}

// NextFetch is the part of Next that a GitRepository decides.
func NextFetch(source *sourcev1.GitRepository) State {
	name := "GitRepository " + client.ObjectKeyFromObject(source).String()
	if source.Spec.Suspend {
		return suspended(name, "source git", source)
	}
	for _, condition := range []string{sourcev1.FetchFailedCondition, sourcev1.StorageOperationFailedCondition} {
		if c := apimeta.FindStatusCondition(source.Status.Conditions, condition); c != nil && c.Status == metav1.ConditionTrue {
			return sourceFailed(name, "can't be fetched", c)
		}
	}
	if c := apimeta.FindStatusCondition(source.Status.Conditions, sourcev1.SourceVerifiedCondition); c != nil && c.Status == metav1.ConditionFalse {
		return sourceFailed(name, "isn't verified", c)
	}
	ready := apimeta.FindStatusCondition(source.Status.Conditions, meta.ReadyCondition)
	switch {
	case ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason != meta.ProgressingReason:
		return sourceFailed(name, "isn't ready", ready)
	case ready != nil && ready.Status != metav1.ConditionTrue:
		return state(Applying, "%s is being fetched", name)
	}
	return State{Phase: Applied}
}

// NextApply is the part of Next that a Kustomization decides by itself.
func NextApply(k *kustomizev1.Kustomization) State {
	name := "Kustomization " + client.ObjectKeyFromObject(k).String()
	if k.Spec.Suspend {
		return suspended(name, "kustomization", k)
	}
	ready := apimeta.FindStatusCondition(k.Status.Conditions, meta.ReadyCondition)
	switch {
	case ready == nil || ready.Status == metav1.ConditionTrue || ready.Reason == meta.HealthCheckFailedReason || ready.Reason == meta.HealthCheckCanceledReason:
		return State{Phase: Applied}
	case ready.Status != metav1.ConditionFalse || ready.Reason == meta.ProgressingReason:
		return state(Applying, "%s is being applied", name)
	}
	message := gitops.Printable(ready.Message, 800)
	switch phase, before := beforeAttempt[ready.Reason]; {
	case before:
		return notStarted(name, phase, ready.Reason, message)
	case ready.Reason == meta.BuildFailedReason:
		return state(BuildFailed, "%s can't be built: %s", name, message)
	}
	return state(ReconciliationFailed, "%s can't be applied (%s): %s", name, ready.Reason, message)
}
