package access

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/gitops/credentials"
	"github.com/gitover/gitover/gitops/pullrequest"
)

// PullRequests of the repository, as spec.git.push.pullRequest says. The Secrets are read each time, so that a token may be replaced in
// the middle of an upgrade; they are of the upgrade's own namespace.
func PullRequests(ctx context.Context, c client.Reader, upgrade *v1alpha1.PgUpgrade, source *sourcev1.GitRepository) (*pullrequest.Client, error) {
	spec := upgrade.Spec.Git.Push.PullRequest
	s := pullrequest.Settings{Provider: spec.Provider, Repository: source.Spec.URL, API: spec.Address}
	if name := PushSecretName(upgrade, source); name != "" {
		secret, err := SecretOf(ctx, c, upgrade.Namespace, name)
		if err != nil {
			return nil, err
		}
		for _, key := range []string{"caFile", "ca.crt"} { // the newer name takes precedence, as in Flux
			if ca := secret.Data[key]; len(ca) > 0 {
				s.CA = ca
			}
		}
		s.Token = cmp.Or(trimmed(secret.Data["password"]), trimmed(secret.Data["bearerToken"]))
		if credentials.IsGitHubApp(secret.Data) && spec.SecretRef == nil {
			if s.Token, err = appToken(ctx, secret.Data); err != nil {
				return nil, fmt.Errorf("the GitHub App of Secret %s/%s: %w", secret.Namespace, secret.Name, err)
			}
		}
	}
	if spec.SecretRef != nil {
		secret, err := SecretOf(ctx, c, upgrade.Namespace, spec.SecretRef.Name)
		if err != nil {
			return nil, fmt.Errorf("spec.git.push.pullRequest: %w", err)
		}
		if s.Token = trimmed(secret.Data["token"]); s.Token == "" {
			return nil, fmt.Errorf("%w: Secret %s/%s has no key token", pullrequest.ErrSettings, secret.Namespace, secret.Name)
		}
	}
	return pullrequest.New(s)
}

// appToken is the token of a GitHub App that is valid now.
func appToken(ctx context.Context, secret map[string][]byte) (string, error) {
	tokens, err := credentials.GitHubApp(secret, nil)
	if err != nil {
		return "", fmt.Errorf("%w: %w", pullrequest.ErrSettings, err)
	}
	err = tokens.Ready(ctx)
	if credentials.Refused(err) {
		err = fmt.Errorf("%w: %w", pullrequest.ErrDenied, err)
	}
	return tokens.Current().Secret, err
}

func trimmed(value []byte) string { return strings.TrimSpace(string(value)) }

// PushSecretName names the Secret with the right to push: spec.git.pushSecretRef, or the GitRepository's own; "" if there is none.
func PushSecretName(upgrade *v1alpha1.PgUpgrade, source *sourcev1.GitRepository) string {
	switch {
	case upgrade.Spec.Git.PushSecretRef != nil:
		return upgrade.Spec.Git.PushSecretRef.Name
	case source.Spec.SecretRef != nil:
		return source.Spec.SecretRef.Name
	}
	return ""
}
