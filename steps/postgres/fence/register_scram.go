package fence

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/gitover/gitover/steps/postgres"
)

// scramIterations is PostgreSQL's own default (SCRAM_SHA_256_DEFAULT_ITERATIONS).
const scramIterations = 4096

// scramVerifier computes what PostgreSQL stores for a password (RFC 5803's form), so that the
// password itself appears in no statement and no server log. Gitover made the password: it is
// ASCII, long and random, so the salt may be derived from it, and both sides of an upgrade
// store the same.
func scramVerifier(password postgres.Password) (string, error) {
	return scramWith(password, mac([]byte(password), "gitover register salt")[:16], scramIterations)
}

func scramWith(password postgres.Password, salt []byte, iterations int) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, string(password), salt, iterations, sha256.Size)
	if err != nil {
		return "", err
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, encode(salt), encode(stored[:]), encode(mac(salted, "Server Key"))), nil
}

func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}
