package fleet

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// SigningKey is a pair that a person made with ssh-keygen.
type SigningKey struct {
	// File of the private key; the public one is beside it.
	File            string
	Private, Public string
}

// NewSigningKey in a directory, which must not hold one of that name.
func NewSigningKey(ctx context.Context, dir, name string) (SigningKey, error) {
	key := SigningKey{File: filepath.Join(dir, name)}
	if err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key.File).Run(); err != nil {
		return key, err
	}
	private, err := os.ReadFile(key.File)
	if err != nil {
		return key, err
	}
	public, err := os.ReadFile(key.File + ".pub")
	key.Private, key.Public = string(private), string(public)
	return key, err
}

// SignWith a key whatever is committed, merged and reverted from now on.
func (r *Repository) SignWith(ctx context.Context, key SigningKey) error {
	for name, value := range map[string]string{"commit.gpgsign": "true", "gpg.format": "ssh", "user.signingkey": key.File} {
		if _, err := r.git(ctx, "config", name, value); err != nil {
			return err
		}
	}
	return nil
}

// Verify that one of the keys signed a commit.
func (r *Repository) Verify(ctx context.Context, sha string, keys ...SigningKey) error {
	var lines strings.Builder
	for _, key := range keys {
		lines.WriteString("signer@example.com " + key.Public)
	}
	allowed := filepath.Join(r.dir, ".git", "allowed_signers")
	if err := os.WriteFile(allowed, []byte(lines.String()), 0o600); err != nil {
		return err
	}
	_, err := r.git(ctx, "-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", sha)
	return err
}
