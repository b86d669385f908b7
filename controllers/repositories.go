package controllers

import (
	"context"
	"fmt"
	"sync"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/metrics"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
	"github.com/gitover/gitover/gitops/delivery"
)

// repositoryCache keeps one client per upgrade, so that clones are reused; a changed
// Secret or URL makes a new one.
type repositoryCache struct {
	mu   sync.Mutex
	open map[string]cachedRepository
}

type cachedRepository struct {
	version    string
	repository *gitops.Repository
}

func (c *repositoryCache) get(key, version string, open func() (*gitops.Repository, error)) (*gitops.Repository, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if have, ok := c.open[key]; ok && have.version == version {
		return have.repository, nil
	}
	repository, err := open()
	if err != nil {
		return nil, err
	}
	if c.open == nil {
		c.open = map[string]cachedRepository{}
	}
	c.open[key] = cachedRepository{version: version, repository: repository}
	return repository, nil
}

func (c *repositoryCache) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, key)
}

// repository opens the fleet repository with the right to push.
func (r *UpgradeReconciler) repository(ctx context.Context, upgrade *v1alpha1.PgUpgrade, source *sourcev1.GitRepository) (*gitops.Repository, error) {
	if err := access.MayPush(upgrade, source); err != nil {
		return nil, err
	}
	secret, version, err := r.pushSecret(ctx, upgrade, source)
	if err != nil {
		return nil, err
	}
	proxy, proxyVersion, err := r.proxySecret(ctx, upgrade, source)
	if err != nil {
		return nil, err
	}
	branch := upgrade.Spec.Git.Branch
	if branch == "" {
		if branch, err = gitops.BranchOf(source); err != nil {
			return nil, err
		}
	}
	key := string(upgrade.UID)
	version = source.Spec.URL + "\x00" + branch + "\x00" + version + "\x00" + proxyVersion
	return r.repositories.get(key, version, func() (*gitops.Repository, error) {
		access, err := gitops.NewAccess(source.Spec.URL, branch, secret, gitops.WithProxy(proxy))
		if err != nil {
			return nil, err
		}
		return gitops.Open(access, r.CloneDirectory, gitops.WithObserver(metrics.Git)), nil
	})
}

// pushSecret is spec.git.pushSecretRef, or the GitRepository's own: always one of the
// upgrade's namespace, see mayPush.
func (r *UpgradeReconciler) pushSecret(ctx context.Context, upgrade *v1alpha1.PgUpgrade, source *sourcev1.GitRepository) (*gitops.Secret, string, error) {
	name := access.PushSecretName(upgrade, source)
	if name == "" {
		return nil, "", nil
	}
	secret, err := access.SecretOf(ctx, r.Uncached, upgrade.Namespace, name)
	if err != nil {
		return nil, "", err
	}
	return &gitops.Secret{Namespace: secret.Namespace, Name: secret.Name, Data: secret.Data}, secret.ResourceVersion, nil
}

// proxySecret is what spec.proxySecretRef of the GitRepository names, if it is in the upgrade's namespace; nil if there is none.
func (r *UpgradeReconciler) proxySecret(ctx context.Context, upgrade *v1alpha1.PgUpgrade, source *sourcev1.GitRepository) (*gitops.Secret, string, error) {
	if source.Spec.ProxySecretRef == nil || source.Namespace != upgrade.Namespace {
		return nil, "", nil
	}
	secret, err := access.SecretOf(ctx, r.Uncached, source.Namespace, source.Spec.ProxySecretRef.Name)
	if err != nil {
		return nil, "", fmt.Errorf("spec.proxySecretRef of GitRepository %s: %w", source.Name, err)
	}
	return &gitops.Secret{Namespace: secret.Namespace, Name: secret.Name, Data: secret.Data}, secret.ResourceVersion, nil
}

func apiCommit(c gitops.Commit) v1alpha1.Commit {
	when := apiTime(c.When)
	return v1alpha1.Commit{SHA: c.SHA, Subject: c.Subject, Author: c.Author.String(), Time: &when, Signed: c.Signed}
}

// ApprovedBy implements steps.Git.
func (g *gitPort) ApprovedBy(ctx context.Context) (*v1alpha1.Commit, error) {
	tip, err := g.repository.Fetch(ctx)
	if err != nil {
		return nil, err
	}
	field := "spec.cutover.approvedVersion"
	if g.upgrade.Spec.Cutover.ApprovedPlan != "" {
		field = "spec.cutover.approvedPlan"
	}
	commit, err := g.repository.LastChange(ctx, tip.SHA, g.upgrade.Spec.Git.Path+"/upgrade.yaml", field)
	if gitops.Temporary(err) {
		return nil, err
	}
	if err != nil {
		return nil, nil //nolint:nilerr // Git can't tell: the PgUpgrade is in another file
	}
	c := apiCommit(commit)
	return &c, nil
}

// checkTarget says whether the cutover's commit would reach the PgProxy, before anything is made for it.
func (g *gitPort) checkTarget(ctx context.Context, tip gitops.Tip) error {
	added, err := delivery.Added(g.flux)
	if err != nil {
		return err
	}
	return g.repository.CheckTarget(ctx, gitops.TargetRequest{
		Revision: tip.SHA, Directory: g.upgrade.Spec.Git.Path, Namespace: g.upgrade.Namespace, Proxy: g.upgrade.Spec.ProxyRef.Name,
		Target: g.upgrade.Status.To, Path: g.flux.Spec.Path, Added: added,
	})
}

// ReadFile implements steps.Git. What Flux fetched, and verified if it is told to, counts: that is what the PgUpgrade came from.
func (g *gitPort) ReadFile(ctx context.Context, path, revision string) (content []byte, at string, err error) {
	if revision == "" {
		artifact := g.source.GetArtifact()
		if artifact == nil {
			return nil, "", &outcome.ReasonError{Reason: v1alpha1.ReasonFluxPending, Text: fmt.Sprintf("GitRepository %s has fetched nothing yet", g.source.Name)}
		}
		_, sha, found := gitops.ParseRevision(artifact.Revision)
		if !found {
			return nil, "", &outcome.ReasonError{Reason: v1alpha1.ReasonFluxFailing, Stalled: true, Text: fmt.Sprintf("GitRepository %s has the revision %q, which names no commit", g.source.Name, artifact.Revision)}
		}
		revision = sha
	}
	content, err = g.repository.ReadFile(ctx, revision, path)
	return content, revision, err
}
