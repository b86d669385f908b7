package controllers

import (
	"cmp"
	"context"
	"fmt"
	"regexp"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/steps"
	checks "github.com/gitover/gitover/steps/analysis"
	"github.com/gitover/gitover/steps/postgres"
)

// observed is what one look at the world found; reads only.
type observed struct {
	proxy         *v1alpha1.PgProxy
	source        *sourcev1.GitRepository
	kustomization *kustomizev1.Kustomization
	repository    *gitops.Repository
	facts         steps.Facts
}

// observe reads the objects an upgrade refers to, opens its repository, and learns which
// version Git asks for.
func (r *UpgradeReconciler) observe(ctx context.Context, upgrade *v1alpha1.PgUpgrade) (*observed, error) {
	s, err := r.fleetOf(ctx, upgrade)
	if err != nil {
		return nil, err
	}
	// not in fleetOf: both controllers must read the target from Git, or a rollback would wait
	if err := r.alone(ctx, upgrade, s.source); err != nil {
		return nil, err
	}
	s.facts = steps.Facts{Name: upgrade.Name, Adopted: upgrade.Spec.Adopt, Retry: upgrade.Spec.Retry, Rehearse: upgrade.Spec.Mode == v1alpha1.ModeRehearse}
	if s.facts.Wanted, err = r.wanted(ctx, upgrade, s); err != nil {
		return nil, err
	}
	return s, r.observeProxy(ctx, upgrade, s)
}

// observeProxy reads which instance serves, and which one Git wants. It is called again after
// each effect of a step, since Flux and people may change that during a push.
func (r *UpgradeReconciler) observeProxy(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed) (err error) {
	if s.proxy, err = r.proxyOf(ctx, upgrade); err != nil {
		return err
	}
	s.facts.Active, s.facts.Target, s.facts.GaveUp, s.facts.RollbackReady = "", "", false, false
	s.facts.AnalysisFailed = checks.Reverts(upgrade.Spec.Soak.Analysis, upgrade.Status.Analysis, r.Now())
	if p := s.proxy; p != nil {
		s.facts.Active, s.facts.Target = p.Status.Active, p.Spec.Target
		s.facts.RollbackReady = steps.LosesNothing(upgrade.Status, p)
		s.facts.GaveUp = p.Status.FailedTarget == p.Spec.Target && p.Status.FailedAttempts >= attemptsOf(p)
	}
	return nil
}

// fleetOf reads the Flux objects that an upgrade refers to and opens the repository. An
// upgrade that Flux didn't deliver from the directory it names is refused before anything
// else is read.
func (r *UpgradeReconciler) fleetOf(ctx context.Context, upgrade *v1alpha1.PgUpgrade) (*observed, error) {
	s := &observed{source: &sourcev1.GitRepository{}, kustomization: &kustomizev1.Kustomization{}}
	if err := r.referred(ctx, upgrade, upgrade.Spec.Git.KustomizationRef, "Kustomization", s.kustomization); err != nil {
		return nil, err
	}
	if err := access.Authorize(upgrade, s.kustomization); err != nil {
		return nil, err
	}
	if err := r.referred(ctx, upgrade, upgrade.Spec.Git.SourceRef, "GitRepository", s.source); err != nil {
		return nil, err
	}
	var err error
	s.repository, err = r.repository(ctx, upgrade, s.source)
	return s, err
}

// referred reads a Flux object that the spec names.
func (r *UpgradeReconciler) referred(ctx context.Context, upgrade *v1alpha1.PgUpgrade, ref v1alpha1.ObjectReference, kind string, into client.Object) error {
	namespace := cmp.Or(ref.Namespace, upgrade.Namespace)
	if namespace != upgrade.Namespace && r.NoCrossNamespaceRefs {
		return access.AccessDenied("%s %s/%s is in another namespace, which this installation forbids; put one in %s", kind, namespace, ref.Name, upgrade.Namespace)
	}
	err := r.Get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name}, into)
	if apierrors.IsNotFound(err) && namespace != upgrade.Namespace && kind == "Kustomization" {
		return access.Undelivered(upgrade, namespace, ref.Name)
	}
	if apierrors.IsNotFound(err) {
		return &outcome.ReasonError{Reason: v1alpha1.ReasonSourceNotFound, Stalled: true,
			Text: fmt.Sprintf("%s %s/%s does not exist; check spec.git", kind, namespace, ref.Name)}
	}
	if err != nil {
		return fmt.Errorf("read %s %s/%s: %w", kind, namespace, ref.Name, err)
	}
	return nil
}

// wanted is the major version that Git asks for, as Flux applied or fetched it.
func (r *UpgradeReconciler) wanted(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed) (string, error) {
	from := upgrade.Spec.VersionFrom
	if from == nil {
		return upgrade.Spec.Version, nil
	}
	artifact := s.source.GetArtifact()
	if artifact == nil {
		return "", &outcome.ReasonError{Reason: v1alpha1.ReasonFluxPending, Text: fmt.Sprintf("GitRepository %s has fetched nothing yet", s.source.Name)}
	}
	_, sha, ok := gitops.ParseRevision(artifact.Revision)
	if !ok {
		return "", &outcome.ReasonError{Reason: v1alpha1.ReasonFluxFailing, Stalled: true, Text: fmt.Sprintf("GitRepository %s has the revision %q, which names no commit", s.source.Name, artifact.Revision)}
	}
	value, err := s.repository.ReadField(ctx, sha, from.Path, from.Field)
	if err != nil {
		return "", err
	}
	major := leadingMajor.FindString(value)
	if !steps.Supported(major) {
		return "", &outcome.ReasonError{Reason: v1alpha1.ReasonUnsupportedVersion, Stalled: true,
			Text: fmt.Sprintf("%s: %s is %q, which is no supported PostgreSQL version; supported are %s", from.Path, from.Field, value, postgres.SupportedVersions())}
	}
	return major, nil
}

// leadingMajor of a version or an image tag such as "17.2-bookworm".
var leadingMajor = regexp.MustCompile(`^[0-9]+`)

// tipOf the branch; empty if it can't be fetched.
func tipOf(ctx context.Context, s *observed) string {
	tip, err := s.repository.Fetch(ctx)
	if err != nil {
		return ""
	}
	return tip.SHA
}

// requestedBy is the commit that last changed the version, as far as Git can tell.
func (r *UpgradeReconciler) requestedBy(ctx context.Context, upgrade *v1alpha1.PgUpgrade, s *observed) *v1alpha1.Commit {
	tip, err := s.repository.Fetch(ctx)
	if err != nil {
		return nil
	}
	path, field := upgrade.Spec.Git.Path+"/upgrade.yaml", "spec.version"
	if from := upgrade.Spec.VersionFrom; from != nil {
		path, field = from.Path, from.Field
	}
	commit, err := s.repository.LastChange(ctx, tip.SHA, path, field)
	if err != nil {
		return nil
	}
	c := apiCommit(commit)
	return &c
}

func attemptsOf(proxy *v1alpha1.PgProxy) int32 {
	if proxy.Spec.Switch.Attempts > 0 {
		return proxy.Spec.Switch.Attempts
	}
	return 5
}
