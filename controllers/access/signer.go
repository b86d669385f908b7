package access

import (
	"context"
	"fmt"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/gitops"
)

// Signer of commits, nil if none is asked for. The Secret is read for each commit, so that a key may be replaced in the middle
// of an upgrade. A signature that Flux wouldn't accept is an error before anything is pushed: such a commit at the tip of the
// branch would keep Flux from applying any other.
func Signer(ctx context.Context, c client.Reader, upgrade *v1alpha1.PgUpgrade, source *sourcev1.GitRepository) (gitops.Signer, error) {
	key := upgrade.Spec.Git.Commit.SigningKey
	if key == nil {
		if verifiesCommits(source) {
			return nil, &outcome.ReasonError{Reason: v1alpha1.ReasonInvalidSpec, Stalled: true, Text: fmt.Sprintf(
				"GitRepository %s verifies signatures (spec.verify), so Flux would refuse Gitover's commits; set spec.git.commit.signingKey", source.Name)}
		}
		return nil, nil
	}
	found, err := SecretOf(ctx, c, upgrade.Namespace, key.SecretRef.Name)
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
	if !verifiesCommits(source) || source.Namespace != upgrade.Namespace {
		// keys in another namespace aren't this upgrade's to read: then the first commit tells
		return signer, nil
	}
	return signer, accepted(ctx, c, signer, source)
}

// accepted asks whether Flux would take the signature.
func accepted(ctx context.Context, c client.Reader, signer gitops.Signer, source *sourcev1.GitRepository) error {
	trusted, err := SecretOf(ctx, c, source.Namespace, source.Spec.Verification.SecretRef.Name)
	if err != nil {
		return fmt.Errorf("spec.verify of GitRepository %s: %w", source.Name, err)
	}
	return gitops.VerifiedBy(signer, gitops.Secret{Namespace: trusted.Namespace, Name: trusted.Name, Data: trusted.Data})
}

// verifiesCommits says whether Flux applies only what is signed.
func verifiesCommits(source *sourcev1.GitRepository) bool {
	v := source.Spec.Verification
	return v != nil && v.Mode != "" && v.VerifyHEAD()
}
