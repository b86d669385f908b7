package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/gitover/gitover/gitops"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Phase says how far Flux has come with a commit.
type Phase string

// The phases. A commit goes through the first four; the others say what stops it.
const (
	// NotFetched: the source controller hasn't got the commit yet.
	NotFetched Phase = "NotFetched"
	// Fetched: the source has it, the Kustomization hasn't tried it yet.
	Fetched Phase = "Fetched"
	// Applying: the Kustomization works on it, which includes its health checks.
	Applying Phase = "Applying"
	// Applied: it, or a descendant, was applied and found healthy.
	Applied Phase = "Applied"
	// AppliedUnhealthy: it was applied, but Flux's health checks failed.
	AppliedUnhealthy Phase = "AppliedUnhealthy"
	// DependencyNotReady: the Kustomization waits for another one.
	DependencyNotReady Phase = "DependencyNotReady"
	// Suspended: a human told Flux to leave the source, the Kustomization or an object alone.
	Suspended Phase = "Suspended"
	// SourceFailed: Flux can't get the repository.
	SourceFailed Phase = "SourceFailed"
	// BuildFailed: the manifests don't build; nothing of the commit was applied.
	BuildFailed Phase = "BuildFailed"
	// ReconciliationFailed: the API server refused something; the commit wasn't applied in full.
	ReconciliationFailed Phase = "ReconciliationFailed"
)

// State is what Flux has made of a commit, for people and for Gitover.
type State struct {
	Phase Phase
	// Message says what Flux does or what has to be fixed, with the object's name.
	Message string
	// Revision that the slowest Kustomization has applied.
	Revision string
}

// Failed reports whether a human has to fix something before Flux can continue.
func (s State) Failed() bool {
	return slices.Contains([]Phase{SourceFailed, BuildFailed, ReconciliationFailed, AppliedUnhealthy}, s.Phase)
}

// ObjectKey names a live object.
type ObjectKey struct {
	schema.GroupVersionKind
	types.NamespacedName
}

// Keys are the objects that bring a commit to the cluster.
type Keys struct {
	GitRepository types.NamespacedName
	// Kustomizations must all have applied the commit.
	Kustomizations []types.NamespacedName
	// Objects are looked at once the commit is applied: Flux may have been told to skip them.
	Objects []ObjectKey
}

// Ancestry knows which commit contains which. Repository is one.
type Ancestry interface {
	IsAncestor(ctx context.Context, ancestor, descendant string) (bool, error)
}

// Of reads how far Flux has come with a commit; a descendant counts as the
// commit, since Flux may skip revisions. It never trusts Ready alone, which may still
// speak of an older revision. Errors are those of the API server (a missing
// object is a state, not an error) and of the ancestry; all are worth a retry.
func Of(ctx context.Context, reader client.Reader, commits Ancestry, keys Keys, commit string) (State, error) {
	d := delivery{reader: reader, commits: commits, repository: keys.GitRepository, commit: commit}
	if state, err := d.source(ctx, keys.GitRepository); err != nil || state.Phase != Fetched {
		return state, err
	}
	worst := State{Phase: Applied, Message: "no Kustomization is given"}
	for i, key := range keys.Kustomizations {
		state, err := d.kustomization(ctx, key)
		if err != nil {
			return state, err
		}
		if i == 0 || rank[state.Phase] > rank[worst.Phase] {
			worst = state
		}
	}
	if worst.Phase != Applied {
		return worst, nil
	}
	return d.objects(ctx, keys.Objects, worst)
}

// rank orders phases by how much they need a human's attention.
var rank = map[Phase]int{Applied: 0, Applying: 1, Fetched: 2, DependencyNotReady: 3, Suspended: 4,
	AppliedUnhealthy: 5, SourceFailed: 6, ReconciliationFailed: 7, BuildFailed: 8}

type delivery struct {
	reader     client.Reader
	commits    Ancestry
	repository types.NamespacedName
	commit     string
}

// contains reports whether a revision of Flux's has our commit in it.
func (d delivery) contains(ctx context.Context, revision string) (bool, error) {
	_, sha, ok := gitops.ParseRevision(revision)
	if !ok {
		return false, nil
	}
	if sha == d.commit {
		return true, nil
	}
	contained, err := d.commits.IsAncestor(ctx, d.commit, sha)
	if errors.Is(err, gitops.ErrUnknownRevision) {
		// The revision is older than a rewritten history.
		return false, nil
	}
	return contained, err
}

func (d delivery) source(ctx context.Context, key types.NamespacedName) (State, error) {
	name := "GitRepository " + key.String()
	repository := &sourcev1.GitRepository{}
	if err := d.reader.Get(ctx, key, repository); err != nil {
		return missing(name, SourceFailed, err)
	}
	revision := ""
	if repository.Status.Artifact != nil {
		revision = repository.Status.Artifact.Revision
	}
	fetched, err := d.contains(ctx, revision)
	if err != nil {
		return State{}, err
	}
	ready := apimeta.FindStatusCondition(repository.Status.Conditions, meta.ReadyCondition)
	failed := apimeta.FindStatusCondition(repository.Status.Conditions, sourcev1.FetchFailedCondition)
	switch {
	case fetched:
		return State{Phase: Fetched}, nil
	case repository.Spec.Suspend:
		return suspended(name, "source git", repository), nil
	case failed != nil && failed.Status == metav1.ConditionTrue:
		return sourceFailed(name, "can't be fetched", failed), nil
	case ready != nil && ready.Status == metav1.ConditionFalse && ready.Reason != meta.ProgressingReason:
		return sourceFailed(name, "isn't ready", ready), nil
	}
	return state(NotFetched, "%s hasn't fetched commit %s yet, it is at %s", name, short(d.commit), orNothing(revision)), nil
}

func (d delivery) kustomization(ctx context.Context, key types.NamespacedName) (State, error) {
	name := "Kustomization " + key.String()
	object := &kustomizev1.Kustomization{}
	if err := d.reader.Get(ctx, key, object); err != nil {
		return missing(name, ReconciliationFailed, err)
	}
	if other := followsAnother(object, d.repository); other != nil {
		return *other, nil
	}
	applied, err := d.contains(ctx, object.Status.LastAppliedRevision)
	if err != nil {
		return State{}, err
	}
	attempted, err := d.contains(ctx, object.Status.LastAttemptedRevision)
	if err != nil {
		return State{}, err
	}
	state := judge(object, name, short(d.commit), applied, attempted)
	state.Revision = object.Status.LastAppliedRevision
	return state, nil
}

// followsAnother is the state of a Kustomization that applies something else than the GitRepository; nil if it applies that one.
func followsAnother(k *kustomizev1.Kustomization, repository types.NamespacedName) *State {
	reference := k.Spec.SourceRef
	follows := types.NamespacedName{Namespace: cmp.Or(reference.Namespace, k.Namespace), Name: reference.Name}
	var s State
	switch {
	case reference.Name == "" || reference.Kind == sourcev1.GitRepositoryKind && follows == repository:
		return nil
	case reference.Kind == sourcev1.GitRepositoryKind:
		s = state(ReconciliationFailed, "Kustomization %s follows GitRepository %s, not %s: correct one of the references", client.ObjectKeyFromObject(k), follows, repository)
	default:
		s = state(ReconciliationFailed, "Kustomization %s follows %s %s, not GitRepository %s. Gitover commits to Git, and can't tell which commit such an artifact was made of: "+
			"have a Kustomization of its own, with sourceRef GitRepository %s, apply the database's directory", client.ObjectKeyFromObject(k), reference.Kind, follows, repository, repository)
	}
	return &s
}

// failures that come before an attempt, whatever revision was attempted last
var beforeAttempt = map[string]Phase{
	meta.DependencyNotReadyReason: DependencyNotReady, meta.ArtifactFailedReason: SourceFailed,
	"AccessDenied": ReconciliationFailed, meta.InvalidCELExpressionReason: ReconciliationFailed, meta.FeatureGateDisabledReason: ReconciliationFailed,
}

// judge maps the status of a Kustomization. Ready turns Unknown before an
// attempt is recorded, so Ready=False beside an attempt at or after our commit speaks of that attempt.
func judge(object *kustomizev1.Kustomization, name, commit string, applied, attempted bool) State {
	ready := apimeta.FindStatusCondition(object.Status.Conditions, meta.ReadyCondition)
	reason, message := "", ""
	if ready != nil && ready.Status == metav1.ConditionFalse {
		reason, message = ready.Reason, gitops.Printable(ready.Message, 800)
	}
	switch phase, before := beforeAttempt[reason]; {
	case attempted && reason == meta.HealthCheckFailedReason:
		return state(AppliedUnhealthy, "%s has applied commit %s, but not everything is healthy: %s", name, commit, message)
	case applied:
		return state(Applied, "%s has applied %s, which has commit %s", name, object.Status.LastAppliedRevision, commit)
	case object.Spec.Suspend:
		return suspended(name, "kustomization", object)
	case before:
		return notStarted(name, phase, reason, message)
	case attempted && reason == meta.BuildFailedReason:
		return state(BuildFailed, "%s can't build commit %s: %s", name, commit, message)
	case attempted && reason != "" && reason != meta.HealthCheckCanceledReason && reason != meta.ProgressingReason:
		return state(ReconciliationFailed, "%s failed to apply commit %s (%s): %s", name, commit, reason, message)
	case attempted:
		return state(Applying, "%s works on commit %s: %s", name, commit, progress(object))
	case reason != "":
		return state(Fetched, "%s hasn't tried commit %s yet; its last attempt failed (%s): %s", name, commit, reason, message)
	}
	return state(Fetched, "%s hasn't tried commit %s yet, it is busy with %s: %s", name, commit, orNothing(object.Status.LastAttemptedRevision), progress(object))
}

func progress(object *kustomizev1.Kustomization) string {
	condition := apimeta.FindStatusCondition(object.Status.Conditions, meta.ReconcilingCondition)
	if condition == nil {
		return "no progress is reported"
	}
	return gitops.Printable(condition.Message, 300)
}

// what tells Flux to skip an object, with the values that do
var skipping = map[string][]string{
	kustomizev1.GroupVersion.Group + "/reconcile": {"disabled"},
	kustomizev1.GroupVersion.Group + "/ssa":       {"ignore", "ifnotpresent"},
}

// objects looks for live ones that Flux skips: its revision advances all the same.
func (d delivery) objects(ctx context.Context, keys []ObjectKey, applied State) (State, error) {
	for _, key := range keys {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(key.GroupVersionKind)
		err := d.reader.Get(ctx, key.NamespacedName, object)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return State{}, fmt.Errorf("read %s %s: %w", key.Kind, key.NamespacedName, err)
		}
		for annotation, values := range skipping {
			if value := object.GetAnnotations()[annotation]; slices.Contains(values, lower(value)) {
				return state(Suspended, "Flux leaves %s %s alone: remove its annotation %s: %s", key.Kind, key.NamespacedName, annotation, value), nil
			}
		}
	}
	return applied, nil
}
