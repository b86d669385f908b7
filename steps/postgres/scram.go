package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// scramIterations is PostgreSQL's own default (SCRAM_SHA_256_DEFAULT_ITERATIONS).
const scramIterations = 4096

// ScramVerifier computes what PostgreSQL stores for a password (RFC 5803's form), so that the password itself appears in no statement and
// no server log. The password must be ASCII, long and random, as those are that Gitover makes: then the salt may be derived from it and
// from what it is for, and all servers store the same.
func ScramVerifier(password Password, purpose string) (string, error) {
	return scramWith(password, mac([]byte(password), purpose)[:16], scramIterations)
}

func scramWith(password Password, salt []byte, iterations int) (string, error) {
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
