package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/commits"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/gitops/delivery"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/seed"
)

// gitPort is what the steps may ask of the fleet repository and of Flux.
type gitPort struct {
	client.Client
	// fresh reads Flux's objects past the cache
	fresh      client.Reader
	upgrade    *v1alpha1.PgUpgrade
	proxy      *v1alpha1.PgProxy
	source     *sourcev1.GitRepository
	flux       *kustomizev1.Kustomization
	repository *gitops.Repository
}

// git is what the steps see of the fleet repository.
func (r *UpgradeReconciler) git(upgrade *v1alpha1.PgUpgrade, s *observed) steps.Git {
	if r.fleet != nil {
		return r.fleet(upgrade)
	}
	return &gitPort{Client: r.Client, fresh: r.Uncached, upgrade: upgrade, proxy: s.proxy, source: s.source, flux: s.kustomization, repository: s.repository}
}

// unique trailers of the commit that a step makes in this run. The cutover and what takes
// it back may be tried again, so the attempt tells those apart.
func (g *gitPort) unique(step string) map[string]string {
	u := map[string]string{
		"Gitover-Upgrade": string(g.upgrade.UID),
		"Gitover-Run":     g.upgrade.Status.Run,
		"Gitover-Step":    step,
	}
	if attempted(step) {
		u["Gitover-Attempt"] = fmt.Sprint(g.upgrade.Status.Attempt)
	}
	if step == steps.CommitRollback {
		u["Gitover-Workflow"] = g.upgrade.Status.Workflow // people may revert Gitover's revert, and the version later
	}
	if round := steps.RevertRound(g.upgrade.Status, step); round > 0 {
		u["Gitover-Analysis"] = fmt.Sprint(round)
	}
	return u
}

// attempted steps commit once for each attempt.
func attempted(step string) bool { return step == steps.CommitCutover || step == steps.CommitRollback }

// CheckInstance asks whether pushing is allowed, as far as a server says so beforehand,
// looks for the PgProxy's manifest, and builds green's with the branch's newest base, in memory.
func (g *gitPort) CheckInstance(ctx context.Context) error {
	tip, err := g.repository.Fetch(ctx)
	if err != nil {
		return err
	}
	if _, err := g.repository.CheckOwner(ctx, tip.SHA, g.upgrade.Spec.Git.Path, commits.OwnerOf(g.upgrade)); err != nil {
		return err
	}
	if err := g.repository.CheckPush(ctx); err != nil {
		return err
	}
	if _, err := access.Signer(ctx, g.fresh, g.upgrade, g.source); err != nil {
		return err
	}
	if g.proposes() {
		if _, err := commits.Branch(g.upgrade, steps.CommitGreen); err != nil {
			return err
		}
	}
	if err := g.checkTarget(ctx, tip); err != nil {
		return err
	}
	request := commits.Instance(g.upgrade)
	_, err = g.repository.Build(ctx, gitops.BuildRequest{
		Revision: tip.SHA, Directory: g.upgrade.Spec.Git.Path, Edit: gitops.AddInstance(request), Path: request.Directory(),
	})
	return err
}

// CommitState finds the commit by its trailers, then asks Git whether it still stands and Flux
// whether it is applied.
func (g *gitPort) CommitState(ctx context.Context, step string) (steps.CommitState, error) {
	tip, err := g.repository.Fetch(ctx)
	if err != nil {
		return steps.CommitState{}, err
	}
	found, err := g.repository.FindByTrailers(ctx, g.unique(step), g.upgrade.Status.BaseCommit)
	if err != nil {
		return steps.CommitState{}, err
	}
	if g.proposes() {
		return g.proposedState(ctx, tip, step, found)
	}
	if len(found) == 0 {
		applied, err := g.alreadyApplied(ctx, tip, step)
		return steps.CommitState{AlreadyApplied: applied, Delivered: applied}, err
	}
	commit := apiCommit(found[0])
	state := steps.CommitState{Commit: &commit}
	reverted, err := g.repository.RevertedBy(ctx, found[0])
	if err != nil {
		return steps.CommitState{}, err
	}
	if reverted != nil {
		if reverted, err = g.movedOrReverted(ctx, step, found[0], reverted); err != nil {
			return steps.CommitState{}, err
		}
	}
	if reverted != nil {
		by := apiCommit(*reverted)
		state.RevertedBy = &by
	}
	return state, g.delivery(ctx, step, &state)
}

// alreadyApplied says whether the edit would change nothing, e.g. because a human made it first.
// That counts only in a directory of ours: what another upgrade did there isn't done for us.
func (g *gitPort) alreadyApplied(ctx context.Context, tip gitops.Tip, step string) (bool, error) {
	edit, err := commits.Edit(g.upgrade, step)
	if err != nil {
		return false, err
	}
	changes, err := g.repository.WouldChange(ctx, tip.SHA, g.upgrade.Spec.Git.Path, edit)
	if err != nil || changes {
		return false, err
	}
	if step == steps.CommitRemoveGreen {
		return true, nil // nothing is there to be removed, whoever's it was
	}
	return true, g.ours(ctx, tip, step)
}

// ours is nil if an instance's file names this upgrade as its owner, or this run added one
// before files did that.
func (g *gitPort) ours(ctx context.Context, tip gitops.Tip, step string) error {
	owner := commits.OwnerOf(g.upgrade)
	ownership, err := g.repository.CheckOwner(ctx, tip.SHA, g.upgrade.Spec.Git.Path, owner)
	if err != nil || ownership.Stated {
		return err
	}
	begun, err := g.repository.FindByTrailers(ctx, g.unique(steps.CommitGreen), g.upgrade.Status.BaseCommit)
	if err != nil || len(begun) > 0 {
		return err
	}
	return &outcome.ReasonError{Reason: v1alpha1.ReasonInvalidSpec, Stalled: true, Text: fmt.Sprintf(
		"the branch already says what %s would commit to %s, but no commit there is of this PgUpgrade (UID %s) and no file of an instance names it; if the directory is its own, put this line into the instance's kustomization.yaml:\n%s",
		step, g.upgrade.Spec.Git.Path, owner.UID, owner.Line())}
}

// Targets implements steps.Git.
func (g *gitPort) Targets(ctx context.Context, instance string) (bool, error) {
	tip, err := g.repository.Fetch(ctx)
	if err != nil {
		return false, err
	}
	changes, err := g.repository.WouldChange(ctx, tip.SHA, g.upgrade.Spec.Git.Path, gitops.SetTarget(g.proxy.Name, instance))
	return err == nil && !changes, err
}

// delivery asks Flux how far the commit has come.
func (g *gitPort) delivery(ctx context.Context, step string, state *steps.CommitState) error {
	keys := delivery.Keys{
		GitRepository:  client.ObjectKeyFromObject(g.source),
		Kustomizations: []types.NamespacedName{client.ObjectKeyFromObject(g.flux)},
	}
	if attempted(step) {
		keys.Objects = []delivery.ObjectKey{{GroupVersionKind: v1alpha1.GroupVersion.WithKind("PgProxy"), NamespacedName: client.ObjectKeyFromObject(g.proxy)}}
	}
	d, err := delivery.Of(ctx, g.fresh, g.repository, keys, state.Commit.SHA)
	if err != nil {
		return err
	}
	state.Delivered = d.Phase == delivery.Applied || d.Phase == delivery.AppliedUnhealthy
	state.Message = d.Message
	switch {
	case d.Phase == delivery.Suspended:
		state.Reason = v1alpha1.ReasonFluxSuspended
	case d.Failed():
		state.Reason = v1alpha1.ReasonFluxFailing
	default:
		state.Reason = v1alpha1.ReasonFluxPending
	}
	return nil
}

// Commit what a step stands for and ask Flux to fetch it.
func (g *gitPort) Commit(ctx context.Context, step string, evidence steps.Evidence) error {
	edit, err := commits.Edit(g.upgrade, step)
	if err != nil {
		return err
	}
	message, err := commits.Message(g.upgrade, step, evidence)
	if err != nil {
		return err
	}
	signer, err := access.Signer(ctx, g.fresh, g.upgrade, g.source)
	if err != nil {
		return err
	}
	unique := g.unique(step)
	author, committer := commits.People(g.upgrade)
	request := gitops.CommitRequest{
		Directory: g.upgrade.Spec.Git.Path, Message: message, Trailers: g.trailers(unique, evidence, committer),
		Author: author, Committer: committer, Signer: signer,
		Edit: edit, Unique: unique, Since: g.upgrade.Status.BaseCommit, Owner: commits.OwnerOf(g.upgrade),
	}
	if g.proposes() {
		return g.propose(ctx, step, request)
	}
	result, err := g.repository.Commit(ctx, request)
	if errors.Is(err, gitops.ErrNothingToChange) {
		return nil
	}
	if err != nil {
		return err
	}
	return delivery.RequestReconcile(ctx, g.Client, client.ObjectKeyFromObject(g.source), result.Commit.SHA)
}

// trailers of a commit: what makes it unique, the evidence, and the sign-off where it is asked for.
func (g *gitPort) trailers(unique map[string]string, evidence steps.Evidence, committer gitops.Person) []gitops.Trailer {
	trailers := make([]gitops.Trailer, 0, len(unique)+len(evidence)+1)
	for _, key := range []string{"Gitover-Upgrade", "Gitover-Run", "Gitover-Step", "Gitover-Attempt", "Gitover-Workflow", "Gitover-Analysis"} {
		if value, ok := unique[key]; ok {
			trailers = append(trailers, gitops.Trailer{Key: key, Value: value})
		}
	}
	for _, e := range evidence {
		trailers = append(trailers, gitops.Trailer{Key: e.Key, Value: e.Value})
	}
	if g.upgrade.Spec.Git.Commit.SignOff {
		trailers = append(trailers, gitops.Trailer{Key: "Signed-off-by", Value: committer.String()})
	}
	return trailers
}

func apiTime[T interface{ Unix() int64 }](t T) metav1.Time { return metav1.Unix(t.Unix(), 0) }

// StatefulSet builds green's manifests in memory and finds the one StatefulSet. What Flux changes in manifests isn't known
// here, so that a Kustomization that does is unsuitable.
func (g *gitPort) StatefulSet(ctx context.Context) (*appsv1.StatefulSet, error) {
	if k := g.flux.Spec; len(k.Patches)+len(k.Images)+len(k.Components) > 0 || k.NamePrefix+k.NameSuffix != "" || k.PostBuild != nil {
		return nil, fmt.Errorf("%w: Kustomization %s changes manifests (patches, images, components, names or postBuild)", seed.ErrUnsuitable, g.flux.Name)
	}
	tip, err := g.repository.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	request := commits.Instance(g.upgrade)
	objects, err := g.repository.Build(ctx, gitops.BuildRequest{
		Revision: tip.SHA, Directory: g.upgrade.Spec.Git.Path, Edit: gitops.AddInstance(request), Path: request.Directory(),
	})
	if err != nil {
		return nil, err
	}
	return onlyStatefulSet(objects)
}

func onlyStatefulSet(objects []*unstructured.Unstructured) (*appsv1.StatefulSet, error) {
	var found []*appsv1.StatefulSet
	for _, o := range objects {
		if o.GetKind() != "StatefulSet" || !strings.HasPrefix(o.GetAPIVersion(), "apps/") {
			continue
		}
		set := &appsv1.StatefulSet{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, set); err != nil {
			return nil, fmt.Errorf("%w: StatefulSet %s: %w", seed.ErrUnsuitable, o.GetName(), err)
		}
		found = append(found, set)
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%w: the base has %d StatefulSets, not one", seed.ErrUnsuitable, len(found))
	}
	return found[0], nil
}
