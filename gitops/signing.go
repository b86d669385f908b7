package gitops

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/fluxcd/pkg/git/signature"
)

// Signer signs commits.
type Signer = signature.Signer

// OpenPGPSigner signs with the private key of a Secret in the format of Flux's image automation: git.asc (armored), and
// passphrase if the key is locked. The primary key may be missing (gpg --export-secret-subkeys). Errors are ErrBadSecret and
// name Secret and key, never a value.
func OpenPGPSigner(secret Secret, now time.Time) (Signer, error) {
	const key = "git.asc"
	bad := func(format string, arguments ...any) (Signer, error) {
		return nil, failure(ErrBadSecret, "%s: key %q "+format, append([]any{secret, key}, arguments...)...)
	}
	armored := secret.Data[key]
	if len(armored) == 0 {
		if len(secret.Data["identity"]) > 0 {
			return bad("is missing, and %q holds an SSH key: set spec.git.commit.signingKey.type to ssh", "identity")
		}
		return bad("is missing: add an armored OpenPGP private key (gpg --export-secret-keys --armor)")
	}
	entities, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil || len(entities) != 1 {
		return bad("isn't one armored OpenPGP key: export a single one (gpg --export-secret-keys --armor)")
	}
	entity := entities[0]
	if entity.PrivateKey == nil {
		return bad("holds a public key only: export the private one (gpg --export-secret-keys --armor)")
	}
	chosen, ok := entity.SigningKey(now)
	if !ok {
		return bad("can't sign: it has expired, is revoked, or isn't for signing; put another one there, and its public key where Flux verifies")
	}
	if chosen.PrivateKey == nil || chosen.PrivateKey.Dummy() {
		return bad("lacks the private part of the subkey that signs, %s: export it, too (gpg --export-secret-subkeys --armor)", chosen.PublicKey.KeyIdString())
	}
	if chosen.PrivateKey.Encrypted {
		passphrase := slices.Clone(secret.Data["passphrase"])
		if len(passphrase) == 0 {
			return bad("is locked and key %q is missing: add it", "passphrase")
		}
		if err := chosen.PrivateKey.Decrypt(passphrase); err != nil {
			return bad("isn't opened by key %q: correct it", "passphrase")
		}
	}
	return signature.NewOpenPGPSigner(entity)
}

// SSHSigner signs with the private key of a Secret in the format of Flux's image automation and of its GitRepositories:
// identity, and password if the key is locked. Errors are ErrBadSecret and name Secret and key, never a value.
func SSHSigner(secret Secret) (Signer, error) {
	const key = "identity"
	identity, password := bytes.TrimSpace(secret.Data[key]), secret.Data["password"]
	if len(identity) == 0 {
		if len(secret.Data["git.asc"]) > 0 {
			return nil, failure(ErrBadSecret, "%s: key %q is missing, and %q holds an OpenPGP key: set spec.git.commit.signingKey.type to gpg", secret, key, "git.asc")
		}
		return nil, failure(ErrBadSecret, "%s: key %q is missing: add an SSH private key (ssh-keygen -t ed25519)", secret, key)
	}
	signer, err := signature.NewSSHSigner(append(identity, '\n'), password)
	switch {
	case err == nil:
		return signer, nil
	case errors.Is(err, signature.ErrSSHPassphraseRequired):
		return nil, failure(ErrBadSecret, "%s: key %q is locked and key %q is missing: add it", secret, key, "password")
	case strings.Contains(err.Error(), "decryption password incorrect"):
		return nil, failure(ErrBadSecret, "%s: key %q isn't opened by key %q: correct it", secret, key, "password")
	case strings.Contains(err.Error(), "unsupported SSH signing key"), strings.Contains(err.Error(), "RSA key size"):
		return nil, failure(ErrBadSecret, "%s: key %q can't sign commits: use ed25519, ecdsa, or rsa of 2048 bits or more", secret, key)
	}
	return nil, failure(ErrBadSecret, "%s: key %q isn't an SSH private key (ssh-keygen -t ed25519)", secret, key)
}

// probe is signed to see whether a signature would be accepted.
const probe = "Gitover asks whether Flux accepts its signature\n"

// The endings by which source-controller tells kinds of public keys apart.
const (
	sshPublicKey     = ".sshpub"
	openpgpPublicKey = ".asc"
)

// VerifiedBy says whether Flux, given the Secret of a GitRepository's spec.verify, accepts what the signer signs; the same
// library decides there. ErrBadSecret if not, with what to add.
func VerifiedBy(signer Signer, trusted Secret) error {
	signed, err := signer.Sign(strings.NewReader(probe))
	if err != nil {
		return cannotSign(err)
	}
	var pgp, ssh []string
	for key, value := range trusted.Data {
		// whatever doesn't end in .sshpub is taken for OpenPGP
		if strings.HasSuffix(key, sshPublicKey) {
			ssh = append(ssh, string(value))
		} else {
			pgp = append(pgp, string(value))
		}
	}
	ending, format := openpgpPublicKey, "gpg --export --armor"
	if signature.IsSSHSignature(string(signed)) {
		ending, format = sshPublicKey, "the line of the .pub file"
		_, err = signature.VerifySSHSignature(string(signed), []byte(probe), ssh...)
	} else {
		_, err = signature.VerifyPGPSignature(string(signed), []byte(probe), pgp...)
	}
	if err != nil {
		return failure(ErrBadSecret, "Flux would refuse Gitover's commits: %s, by which the GitRepository verifies them, doesn't hold the public key of spec.git.commit.signingKey; add it under a key that ends in %s (%s)",
			trusted, ending, format)
	}
	return nil
}

func cannotSign(err error) error {
	return failure(ErrBadSecret, "the signing key can't sign: %s", Printable(err.Error(), 200))
}
