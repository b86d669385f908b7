package controllers

import (
	"context"
	"fmt"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
)

// signer of commits, nil if none is asked for. The Secret is read for each commit, so that a key may be replaced in the middle
// of an upgrade. A signature that Flux wouldn't accept is an error before anything is pushed: such a commit at the tip of the
// branch would keep Flux from applying any other.
func (g *gitPort) signer(ctx context.Context) (gitops.Signer, error) {
	key := g.upgrade.Spec.Git.Commit.SigningKey
	if key == nil {
		if verifiesCommits(g.source) {
			return nil, &outcome.ReasonError{Reason: v1alpha1.ReasonInvalidSpec, Stalled: true, Text: fmt.Sprintf(
				"GitRepository %s verifies signatures (spec.verify), so Flux would refuse Gitover's commits; set spec.git.commit.signingKey", g.source.Name)}
		}
		return nil, nil
	}
	found, err := access.SecretOf(ctx, g.fresh, g.upgrade.Namespace, key.SecretRef.Name)
	if err != nil {
		return nil, fmt.Errorf("spec.git.commit.signingKey: %w", err)
	}
	secret := gitops.Secret{Namespace: found.Namespace, Name: found.Name, Data: found.Data}
	var signer gitops.Signer
	if key.Type == v1alpha1.SigningKeySSH {
		signer, err = gitops.SSHSigner(secret)
	} else {
		signer, err = gitops.OpenPGPSigner(secret, time.Now())
	}
	if err != nil {
		return nil, err
	}
	return signer, g.accepted(ctx, signer)
}

// accepted asks whether Flux would take the signature. Keys in another namespace aren't this upgrade's to read: then the first
// commit tells.
func (g *gitPort) accepted(ctx context.Context, signer gitops.Signer) error {
	if !verifiesCommits(g.source) || g.source.Namespace != g.upgrade.Namespace {
		return nil
	}
	trusted, err := access.SecretOf(ctx, g.fresh, g.source.Namespace, g.source.Spec.Verification.SecretRef.Name)
	if err != nil {
		return fmt.Errorf("spec.verify of GitRepository %s: %w", g.source.Name, err)
	}
	return gitops.VerifiedBy(signer, gitops.Secret{Namespace: trusted.Namespace, Name: trusted.Name, Data: trusted.Data})
}

// verifiesCommits says whether Flux applies only what is signed.
func verifiesCommits(source *sourcev1.GitRepository) bool {
	v := source.Spec.Verification
	return v != nil && v.Mode != "" && v.VerifyHEAD()
}
