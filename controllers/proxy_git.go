package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/logs"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/gitops/delivery"
)

// Fleet answers what the PgProxy controller asks of Git.
type Fleet interface {
	// VerifyTarget returns nil if the manifest of proxy has its spec.target in a revision that
	// Flux has applied. It reads only, and may be asked again at any time.
	VerifyTarget(ctx context.Context, upgrade *v1alpha1.PgUpgrade, proxy *v1alpha1.PgProxy) error
	// Delivers is nil if Flux would apply the next commit to the manifest of proxy, errFluxBusy while that can't be told, and
	// otherwise says what stops Flux. It reads only.
	Delivers(ctx context.Context, upgrade *v1alpha1.PgUpgrade, proxy *v1alpha1.PgProxy) error
}

// errFluxBusy: Flux is at work, so whether it would apply the next commit isn't known.
var errFluxBusy = errors.New("flux is at work")

// Delivers implements Fleet.
func (r *UpgradeReconciler) Delivers(ctx context.Context, upgrade *v1alpha1.PgUpgrade, proxy *v1alpha1.PgProxy) error {
	s := &observed{source: &sourcev1.GitRepository{}, kustomization: &kustomizev1.Kustomization{}}
	if err := r.referred(ctx, upgrade, upgrade.Spec.Git.KustomizationRef, "Kustomization", s.kustomization); err != nil {
		return err
	}
	if err := access.Authorize(upgrade, s.kustomization); err != nil {
		return err
	}
	if err := r.referred(ctx, upgrade, upgrade.Spec.Git.SourceRef, "GitRepository", s.source); err != nil {
		return err
	}
	reason, words := stopped(delivery.Next(s.source, s.kustomization, proxy))
	switch {
	case reason == v1alpha1.ReasonProgressing:
		return errFluxBusy
	case reason != "":
		return &outcome.ReasonError{Reason: reason, Text: words}
	}
	return nil
}

// stopped is the reason for which Flux would not apply the next commit, and Flux's words; ReasonProgressing while it is at work, and
// nothing if it would.
func stopped(s delivery.State) (reason, words string) {
	switch s.Phase {
	case delivery.Applied:
		return "", ""
	case delivery.Applying:
		return v1alpha1.ReasonProgressing, s.Message
	case delivery.Suspended:
		return v1alpha1.ReasonFluxSuspended, s.Message
	case delivery.DependencyNotReady:
		return v1alpha1.ReasonFluxPending, s.Message
	default:
		return v1alpha1.ReasonFluxFailing, s.Message
	}
}

// VerifyTarget implements Fleet. If Git can't be read, Flux's own mark on the object counts: a rollback that Flux has
// delivered must not wait for a Git server or for the right to push.
func (r *UpgradeReconciler) VerifyTarget(ctx context.Context, upgrade *v1alpha1.PgUpgrade, proxy *v1alpha1.PgProxy) error {
	ref := upgrade.Spec.Git.KustomizationRef
	if !appliedByFlux(proxy, cmp.Or(ref.Namespace, upgrade.Namespace), ref.Name) {
		return r.verifyTargetInGit(ctx, upgrade, proxy)
	}
	asking, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	err := r.verifyTargetInGit(asking, upgrade, proxy)
	if ctx.Err() == nil && gitSilent(err) {
		logs.For(ctx, proxy).Info("Git can't be read; spec.target is as Flux applied it", "error", err.Error())
		return nil
	}
	return err
}

// verifyTargetInGit reads Git. An edit of the object in the cluster lasts until Flux applies
// it again, but only Git may move traffic. The revisions that count are the last that Flux
// applied and the last that it tried: another object of that revision that fails must not
// prevent a rollback.
func (r *UpgradeReconciler) verifyTargetInGit(ctx context.Context, upgrade *v1alpha1.PgUpgrade, proxy *v1alpha1.PgProxy) error {
	if upgrade.Spec.ProxyRef.Name != proxy.Name {
		return &outcome.ReasonError{Reason: v1alpha1.ReasonUpgradeNotFound, Stalled: true,
			Text: fmt.Sprintf("PgUpgrade %s leads PgProxy %s, not this one; correct spec.upgradeRef here or spec.proxyRef there", upgrade.Name, upgrade.Spec.ProxyRef.Name)}
	}
	s, err := r.fleetOf(ctx, upgrade)
	if err != nil {
		return err
	}
	applied := s.kustomization.Status.LastAppliedRevision
	for _, revision := range slices.Compact([]string{applied, s.kustomization.Status.LastAttemptedRevision}) {
		if revision == "" {
			continue
		}
		changes, err := s.repository.WouldChange(ctx, revision, upgrade.Spec.Git.Path, gitops.SetTarget(proxy.Name, proxy.Spec.Target))
		if err != nil {
			return err
		}
		if !changes {
			return nil
		}
	}
	if apimeta.IsStatusConditionTrue(s.kustomization.Status.Conditions, meta.ReconcilingCondition) {
		return &outcome.ReasonError{Reason: v1alpha1.ReasonFluxPending, Text: fmt.Sprintf("Kustomization %s is still applying the revision that asks for %s", s.kustomization.Name, proxy.Spec.Target)}
	}
	return &outcome.ReasonError{Reason: v1alpha1.ReasonTargetNotInGit, Text: fmt.Sprintf(
		"spec.target is %s in the cluster, but not in Git at %s, which Flux applied last; commit it to move traffic, or let Flux put it back", proxy.Spec.Target, applied)}
}
