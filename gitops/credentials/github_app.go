package credentials

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/fluxcd/pkg/auth/githubapp"
	"github.com/google/go-github/v87/github"
)

// IsGitHubApp says whether a Secret has the keys of a GitHub App, as Flux' GitRepository with the provider github has them.
func IsGitHubApp(data map[string][]byte) bool { return len(data[githubapp.KeyAppID]) > 0 }

// apps remembers the tokens of each App, so that all its users share one. An App that isn't used any more stays until the process ends.
var apps = struct {
	sync.Mutex
	tokens map[[sha256.Size]byte]*Tokens
}{tokens: map[[sha256.Size]byte]*Tokens{}}

// GitHubApp gives an App's installation tokens, of an hour each. The Secret's ca.crt is for GitHub Enterprise's API; a proxy may be nil. Errors
// say which key is wrong, and hold no value.
func GitHubApp(data map[string][]byte, proxy *url.URL) (*Tokens, error) {
	digest := sha256.New()
	for _, key := range []string{githubapp.KeyAppID, githubapp.KeyAppInstallationID, githubapp.KeyAppInstallationOwner, githubapp.KeyAppPrivateKey, githubapp.KeyAppBaseURL, "ca.crt"} {
		fmt.Fprintf(digest, "%d:%s", len(data[key]), data[key])
	}
	fmt.Fprint(digest, proxy)
	key := [sha256.Size]byte(digest.Sum(nil))
	apps.Lock()
	defer apps.Unlock()
	if known := apps.tokens[key]; known != nil {
		return known, nil
	}
	trimmed := map[string][]byte{}
	for name, value := range data {
		trimmed[name] = bytes.TrimSpace(value)
	}
	options := []githubapp.OptFunc{githubapp.WithAppData(trimmed)}
	if proxy != nil {
		options = append(options, githubapp.WithProxyURL(proxy))
	}
	if ca := data["ca.crt"]; len(ca) > 0 {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(ca)
		options = append(options, githubapp.WithTLSConfig(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}))
	}
	app, err := githubapp.New(options...)
	if err != nil {
		return nil, wrongKey(trimmed)
	}
	tokens := NewTokens(func(ctx context.Context) (Token, error) {
		token, err := app.GetToken(ctx)
		if err != nil {
			return Token{}, err
		}
		return Token{Username: githubapp.AccessTokenUsername, Secret: token.Token, Expires: token.ExpiresAt}, nil
	}, time.Now)
	apps.tokens[key] = tokens
	return tokens, nil
}

func wrongKey(data map[string][]byte) error {
	owner, id := len(data[githubapp.KeyAppInstallationOwner]) > 0, len(data[githubapp.KeyAppInstallationID]) > 0
	switch {
	case len(data[githubapp.KeyAppPrivateKey]) == 0:
		return fmt.Errorf("a GitHub App needs its private key, under %s", githubapp.KeyAppPrivateKey)
	case owner == id:
		return fmt.Errorf("a GitHub App needs one of %s and %s", githubapp.KeyAppInstallationOwner, githubapp.KeyAppInstallationID)
	}
	return fmt.Errorf("%s has to be a number, and %s an RSA key in PEM format", githubapp.KeyAppID, githubapp.KeyAppPrivateKey)
}

// Refused says whether GitHub gave no token because of the App: its key is wrong, or it isn't installed there, or was suspended.
func Refused(err error) bool {
	answer := new(github.ErrorResponse)
	return errors.As(err, &answer) && answer.Response != nil &&
		slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusUnprocessableEntity}, answer.Response.StatusCode)
}
