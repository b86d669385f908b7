package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/gitops/delivery"
	"github.com/gitover/gitover/steps"
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
	if step == steps.CommitCutover || step == steps.CommitRollback {
		u["Gitover-Attempt"] = fmt.Sprint(g.upgrade.Status.Attempt)
	}
	return u
}

// CheckInstance asks whether pushing is allowed, as far as a server says so beforehand,
// looks for the PgProxy's manifest, and builds green's with the branch's newest base, in memory.
func (g *gitPort) CheckInstance(ctx context.Context) error {
	tip, err := g.repository.Fetch(ctx)
	if err != nil {
		return err
	}
	if _, err := g.repository.CheckOwner(ctx, tip.SHA, g.upgrade.Spec.Git.Path, ownerOf(g.upgrade)); err != nil {
		return err
	}
	if err := g.repository.CheckPush(ctx); err != nil {
		return err
	}
	// what the cutover will edit, before anything is made for it
	if _, err := g.repository.WouldChange(ctx, tip.SHA, g.upgrade.Spec.Git.Path, gitops.SetTarget(g.upgrade.Spec.ProxyRef.Name, g.upgrade.Status.To)); err != nil {
		return err
	}
	request := g.instance()
	_, err = g.repository.Build(ctx, gitops.BuildRequest{
		Revision: tip.SHA, Directory: g.upgrade.Spec.Git.Path, Edit: gitops.AddInstance(request), Path: request.Directory(),
	})
	return err
}

func (g *gitPort) instance() gitops.InstanceRequest {
	spec := g.upgrade.Spec.Instance
	version := steps.VersionOf(g.upgrade.Name, nil, g.upgrade.Status.To)
	request := gitops.InstanceRequest{
		Upgrade: g.upgrade.Name, Version: version, Base: cmp.Or(spec.Base, "base"), Owner: ownerOf(g.upgrade),
	}
	for _, image := range spec.Images {
		tag := strings.ReplaceAll(cmp.Or(image.NewTag, "{version}"), "{version}", version)
		request.Images = append(request.Images, gitops.Image{Name: image.Name, NewName: image.NewName, Tag: tag})
	}
	for _, p := range spec.Patches {
		patch := gitops.Patch{Patch: p.Patch}
		if t := p.Target; t != nil {
			patch.Target = &gitops.PatchTarget{Group: t.Group, Version: t.Version, Kind: t.Kind, Name: t.Name, LabelSelector: t.LabelSelector}
		}
		request.Patches = append(request.Patches, patch)
	}
	return request
}

// CommitState finds the commit by its trailers, then asks Git whether it still stands and Flux
// whether it is applied.
func (g *gitPort) CommitState(ctx context.Context, step string) (steps.CommitState, error) {
	tip, err := g.repository.Fetch(ctx)
	if err != nil {
		return steps.CommitState{}, err
	}
	found, err := g.repository.FindByTrailers(ctx, g.unique(step))
	if err != nil {
		return steps.CommitState{}, err
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
		by := apiCommit(*reverted)
		state.RevertedBy = &by
	}
	return state, g.delivery(ctx, step, &state)
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
	if step == steps.CommitCutover || step == steps.CommitRollback {
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

// edit is what a step changes in the directory.
func (g *gitPort) edit(step string) (gitops.Edit, error) {
	status := g.upgrade.Status
	switch step {
	case steps.CommitGreen:
		return gitops.AddInstance(g.instance()), nil
	case steps.CommitRemoveGreen:
		return gitops.RemoveInstance(steps.VersionOf(g.upgrade.Name, nil, status.To)), nil
	case steps.CommitFinalize:
		if a := g.upgrade.Spec.Adopt; a != nil && a.Name == status.From {
			if a.Path == "" {
				// its manifests are in no repository that we know: nothing to commit
				return func(*gitops.Tree) error { return nil }, nil
			}
			return gitops.RemovePath(a.Path), nil
		}
		return gitops.RemoveInstance(steps.VersionOf(g.upgrade.Name, nil, status.From)), nil
	case steps.CommitCutover:
		return gitops.SetTarget(g.upgrade.Spec.ProxyRef.Name, status.To), nil
	case steps.CommitRollback:
		return gitops.SetTarget(g.upgrade.Spec.ProxyRef.Name, status.From), nil
	}
	return nil, fmt.Errorf("step %s commits nothing", step)
}

// Commit what a step stands for and ask Flux to fetch it.
func (g *gitPort) Commit(ctx context.Context, step string, evidence steps.Evidence) error {
	edit, err := g.edit(step)
	if err != nil {
		return err
	}
	message, err := g.message(step, evidence)
	if err != nil {
		return err
	}
	unique := g.unique(step)
	trailers := make([]gitops.Trailer, 0, len(unique)+len(evidence))
	for _, key := range []string{"Gitover-Upgrade", "Gitover-Run", "Gitover-Step", "Gitover-Attempt"} {
		if value, ok := unique[key]; ok {
			trailers = append(trailers, gitops.Trailer{Key: key, Value: value})
		}
	}
	for _, e := range evidence {
		trailers = append(trailers, gitops.Trailer{Key: e.Key, Value: e.Value})
	}
	author := g.upgrade.Spec.Git.Author
	result, err := g.repository.Commit(ctx, gitops.CommitRequest{
		Directory: g.upgrade.Spec.Git.Path, Message: message, Trailers: trailers,
		Author: gitops.Person{Name: cmp.Or(author.Name, "Gitover"), Email: cmp.Or(author.Email, "gitover@users.noreply.gitover.dev")},
		Edit:   edit, Unique: unique, Owner: ownerOf(g.upgrade),
	})
	if errors.Is(err, gitops.ErrNothingToChange) {
		return nil
	}
	if err != nil {
		return err
	}
	return delivery.RequestReconcile(ctx, g.Client, client.ObjectKeyFromObject(g.source), result.Commit.SHA)
}

// subjects of our commits, one a step.
var subjects = map[string]string{
	steps.CommitGreen:       "%[1]s: add PostgreSQL %[3]s beside %[2]s",
	steps.CommitCutover:     "%[1]s: cut over from PostgreSQL %[2]s to %[3]s",
	steps.CommitRollback:    "%[1]s: return to PostgreSQL %[2]s from %[3]s",
	steps.CommitFinalize:    "%[1]s: remove PostgreSQL %[2]s, %[3]s serves",
	steps.CommitRemoveGreen: "%[1]s: remove PostgreSQL %[3]s, %[2]s serves",
}

// bodies tell a reader of the log what the commit means and how to revert it.
var bodies = map[string]string{
	steps.CommitGreen:       "Flux will start %[3]s. It receives a copy of %[2]s and follows it; no\napplication reaches it yet. Reverting this commit, or the change of the\nversion, ends the upgrade.",
	steps.CommitCutover:     "Every row of %[2]s is on %[3]s. When Flux applies this commit, traffic\nmoves to %[3]s; statements wait for a moment and none fails.\n\n%[2]s follows from then on: git revert of this commit is a rollback\nthat loses nothing, until the soak is over.",
	steps.CommitRollback:    "Traffic belongs to %[2]s. What was written meanwhile is there.",
	steps.CommitFinalize:    "The soak is over. %[3]s serves alone and %[2]s is removed; a revert\nno longer works from here on. A downgrade is a new upgrade: change\nthe version.",
	steps.CommitRemoveGreen: "The upgrade to %[3]s ended before it was final. %[2]s serves, as before.",
}

func (g *gitPort) message(step string, evidence steps.Evidence) (string, error) {
	status := g.upgrade.Status
	version := func(instance string) string { return steps.VersionOf(g.upgrade.Name, g.upgrade.Spec.Adopt, instance) }
	subject := fmt.Sprintf(subjects[step], g.upgrade.Name, version(status.From), version(status.To))
	body := fmt.Sprintf(bodies[step], g.upgrade.Name, status.From, status.To)
	if by := status.RequestedBy; by != nil && step == steps.CommitGreen {
		body += fmt.Sprintf("\n\nAsked for by %s in %.12s (%s).", by.Author, by.SHA, strings.TrimSpace(by.Subject))
	}
	if text := g.upgrade.Spec.Git.MessageTemplate; text != "" {
		fields := map[string]any{"Upgrade": g.upgrade.Name, "Namespace": g.upgrade.Namespace, "Step": step, "From": status.From, "To": status.To,
			"FromVersion": version(status.From), "ToVersion": version(status.To), "Subject": subject, "Body": body}
		for _, e := range evidence {
			fields[strings.ReplaceAll(strings.TrimPrefix(e.Key, "Gitover-"), "-", "")] = e.Value
		}
		return gitops.RenderMessage(text, fields)
	}
	return subject + "\n\n" + body, nil
}

func apiTime[T interface{ Unix() int64 }](t T) metav1.Time { return metav1.Unix(t.Unix(), 0) }
