package gitops

import (
	"bytes"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// SigningKey reads an OpenPGP private key from a Secret in the format of Flux's
// image automation: git.asc (armored), and passphrase if the key is locked.
// Errors are ErrBadSecret and name Secret and key, never a value.
func SigningKey(secret Secret) (*openpgp.Entity, error) {
	armored := secret.Data["git.asc"]
	if len(armored) == 0 {
		return nil, failure(ErrBadSecret, "%s has no key %q: commits are signed with an armored OpenPGP private key", secret, "git.asc")
	}
	entities, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(armored))
	if err != nil || len(entities) != 1 {
		return nil, failure(ErrBadSecret, "%s: key %q isn't one armored OpenPGP key (gpg --export-secret-keys --armor)", secret, "git.asc")
	}
	entity := entities[0]
	if entity.PrivateKey == nil {
		return nil, failure(ErrBadSecret, "%s: key %q holds a public key only", secret, "git.asc")
	}
	if !entity.PrivateKey.Encrypted {
		return entity, nil
	}
	passphrase := slices.Clone(secret.Data["passphrase"])
	if len(passphrase) == 0 {
		return nil, failure(ErrBadSecret, "%s: key %q is locked and there is no key %q", secret, "git.asc", "passphrase")
	}
	if err := entity.DecryptPrivateKeys(passphrase); err != nil {
		return nil, failure(ErrBadSecret, "%s: key %q doesn't open key %q", secret, "passphrase", "git.asc")
	}
	return entity, nil
}
