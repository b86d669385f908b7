package gitops

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	fluxgit "github.com/fluxcd/pkg/git"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	gossh "golang.org/x/crypto/ssh"

	"github.com/gitover/gitover/gitops/credentials"
)

const dialTimeout = 20 * time.Second

// Secret is a Kubernetes Secret in the format that Flux's GitRepository uses:
// username and password, or bearerToken, with ca.crt (or caFile), tls.crt and
// tls.key for https; identity, known_hosts and optionally password for ssh.
type Secret struct {
	Namespace, Name string
	Data            map[string][]byte
}

// String names the Secret, never a value.
func (s Secret) String() string { return fmt.Sprintf("Secret %s/%s", s.Namespace, s.Name) }

// Access is how one branch of one repository is reached. Its text form is safe to log.
type Access struct {
	url     string // without userinfo
	branch  string
	secret  string
	options fluxgit.AuthOptions
	auth    transport.AuthMethod
	secrets []string
	// tokens that expire, in place of what the Secret would hold itself
	tokens *credentials.Tokens
	// proxy on the way to an http(s) server
	proxy transport.ProxyOptions
}

// AccessOption is something that a server's Secret doesn't say.
type AccessOption func(*accessOptions)

type accessOptions struct{ proxy *Secret }

// WithProxy reaches an http or https server through the proxy that a Secret names by address, username and password, as Flux'
// spec.proxySecretRef does. Nil: what the environment says.
func WithProxy(secret *Secret) AccessOption { return func(o *accessOptions) { o.proxy = secret } }

// String is the URL without credentials.
func (a Access) String() string { return a.url }

// GoString keeps credentials out of %#v too.
func (a Access) GoString() string { return "gitops.Access{" + a.url + "}" }

// Branch is the branch that is read and written.
func (a Access) Branch() string { return a.branch }

func (a Access) secretName() string {
	if a.secret == "" {
		return "the GitRepository's Secret (none is given)"
	}
	return a.secret
}

// NewAccess checks URL, branch and credentials and makes them ready for use.
// A nil secret means anonymous access. Errors are ErrBadReference or
// ErrBadSecret, name Secret and key, and never hold a value; they last until the object
// changes.
func NewAccess(repositoryURL, branch string, secret *Secret, options ...AccessOption) (Access, error) {
	parsed, err := url.Parse(strings.TrimSpace(repositoryURL))
	if err != nil || parsed.Host == "" {
		return Access{}, failure(ErrBadReference, "the repository URL isn't of the form https://host/path or ssh://user@host/path")
	}
	if !slices.Contains([]string{"http", "https", "ssh"}, parsed.Scheme) {
		return Access{}, failure(ErrBadReference, "repository URL scheme %q isn't supported: use https or ssh", Printable(parsed.Scheme, 20))
	}
	if err := checkBranch(branch); err != nil {
		return Access{}, err
	}
	access := Access{branch: branch}
	data := map[string][]byte{}
	if secret != nil {
		access.secret = secret.String()
		data = secret.Data
		if err := checkSecret(*secret, parsed.Scheme); err != nil {
			return Access{}, err
		}
	} else if parsed.Scheme == "ssh" {
		return Access{}, failure(ErrBadSecret, "an ssh URL needs a Secret with the keys identity and known_hosts")
	}
	auth, err := fluxgit.NewAuthOptions(*parsed, data)
	if err != nil {
		// The checks above name Secret and key; this is what is left.
		return Access{}, failure(ErrBadSecret, "%s: %v", access.secretName(), err)
	}
	access.options = *auth
	access.secrets = confidential(parsed, data)
	parsed.User = nil
	access.url = parsed.String()
	proxy, err := access.through(options)
	if err != nil {
		return Access{}, err
	}
	if credentials.IsGitHubApp(data) {
		if access.tokens, err = credentials.GitHubApp(data, proxy); err != nil {
			return Access{}, failure(ErrBadSecret, "%s: %v", access.secretName(), err)
		}
		access.auth = access.tokens
		return access, nil
	}
	access.auth, err = authMethod(*auth, access.secretName())
	return access, err
}

// through a proxy, if the options name one; nil if they don't.
func (a *Access) through(options []AccessOption) (*url.URL, error) {
	var all accessOptions
	for _, option := range options {
		option(&all)
	}
	if all.proxy == nil || a.options.Transport == fluxgit.SSH {
		return nil, nil
	}
	proxy, err := credentials.Proxy(all.proxy.Data)
	if err != nil {
		return nil, failure(ErrBadSecret, "%s: %v", all.proxy, err)
	}
	a.proxy.URL, a.proxy.Username = (&url.URL{Scheme: proxy.Scheme, Host: proxy.Host}).String(), proxy.User.Username()
	if a.proxy.Password, _ = proxy.User.Password(); len(a.proxy.Password) >= 4 { // see confidential
		a.secrets = append(a.secrets, a.proxy.Password, url.QueryEscape(a.proxy.Password), url.PathEscape(a.proxy.Password))
	}
	return proxy, nil
}

// ready has credentials that are valid for an exchange with the server.
func (a Access) ready(ctx context.Context) error {
	if a.tokens == nil {
		return nil
	}
	err := a.tokens.Ready(ctx)
	if credentials.Refused(err) {
		return &Error{kind: ErrUnauthorized, cause: err, text: fmt.Sprintf("GitHub gives the App of %s no token: %s; check the App's key, and that it is installed for this repository with the right to write contents",
			a.secretName(), a.redact(err.Error()))}
	}
	if err != nil {
		return &Error{kind: ErrUnreachable, cause: err, text: fmt.Sprintf("a token of the GitHub App of %s can't be had, another attempt follows: %s", a.secretName(), a.redact(err.Error()))}
	}
	return nil
}

// identityOf distinguishes clones that were made with other credentials, so
// that a shared cache never shows a repository to an upgrade that can't read it.
func (a Access) identityOf() string {
	digest := sha256.New()
	for _, part := range append([]string{a.url, a.branch, a.options.Username, a.proxy.URL, a.proxy.Username}, a.secrets...) {
		fmt.Fprintf(digest, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(digest.Sum(nil))[:32]
}

// endpoint is the repository with TLS material, without credentials.
func (a Access) endpoint() (*transport.Endpoint, error) {
	endpoint, err := transport.NewEndpoint(a.url)
	if err != nil {
		return nil, failure(ErrBadReference, "repository URL %s isn't usable: %s", a, a.redact(err.Error()))
	}
	endpoint.CaBundle, endpoint.ClientCert, endpoint.ClientKey = a.options.CAFile, a.options.ClientCert, a.options.ClientKey
	endpoint.Proxy = a.proxy
	return endpoint, nil
}

func confidential(parsed *url.URL, data map[string][]byte) []string {
	var values []string
	for _, key := range []string{"password", "bearerToken", "identity", "tls.key", "githubAppPrivateKey"} {
		values = append(values, strings.TrimSpace(string(data[key])))
	}
	if parsed.User != nil {
		password, _ := parsed.User.Password()
		values = append(values, password)
	}
	if name := strings.TrimSpace(string(data["username"])); len(name) >= 16 {
		values = append(values, name) // a token stands in its place with some providers
	}
	for _, value := range slices.Clone(values) {
		values = append(values, url.QueryEscape(value), url.PathEscape(value))
	}
	// Replacing such a short value would mangle messages.
	values = slices.DeleteFunc(values, func(value string) bool { return len(value) < 4 })
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(values)
}

func checkSecret(secret Secret, scheme string) error {
	missing := func(key, why string) error {
		return failure(ErrBadSecret, "%s has no key %q: %s", secret, key, why)
	}
	has := func(key string) bool { return len(secret.Data[key]) > 0 }
	if has("githubAppID") && scheme == "ssh" {
		return failure(ErrBadSecret, "%s holds a GitHub App, whose tokens are for https: change the repository's URL to https://", secret)
	}
	if has("githubAppID") {
		return checkTLS(secret, has)
	}
	if scheme == "ssh" {
		switch {
		case !has("identity"):
			return missing("identity", "an ssh URL needs a private key")
		case !has("known_hosts"):
			return missing("known_hosts", "an ssh URL needs the server's host key")
		}
		if _, _, err := credentials.KnownHosts(secret.Data["known_hosts"]); err != nil {
			return failure(ErrBadSecret, "%s: key %q isn't in known_hosts format: make it with ssh-keyscan", secret, "known_hosts")
		}
		return nil
	}
	switch {
	case has("bearerToken"):
	case has("password") && !has("username"):
		return missing("username", "a password needs a user name; with an access token any name will do")
	case has("username") && !has("password"):
		return missing("password", "a user name needs a password or an access token")
	}
	return checkTLS(secret, has)
}

func checkTLS(secret Secret, has func(string) bool) error {
	for _, key := range []string{"ca.crt", "caFile"} {
		if has(key) && !x509.NewCertPool().AppendCertsFromPEM(secret.Data[key]) {
			return failure(ErrBadSecret, "%s: key %q holds no PEM certificate", secret, key)
		}
	}
	if has("tls.crt") != has("tls.key") {
		return failure(ErrBadSecret, "%s needs both keys %q and %q, or neither", secret, "tls.crt", "tls.key")
	}
	if has("tls.crt") {
		if _, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"]); err != nil {
			return failure(ErrBadSecret, "%s: keys %q and %q aren't a PEM certificate with its private key", secret, "tls.crt", "tls.key")
		}
	}
	return nil
}

func authMethod(options fluxgit.AuthOptions, secret string) (transport.AuthMethod, error) {
	if options.Transport == fluxgit.SSH {
		return sshAuth(options, secret)
	}
	switch {
	case options.BearerToken != "":
		return &githttp.TokenAuth{Token: strings.TrimSpace(options.BearerToken)}, nil
	case options.Username != "" || options.Password != "":
		return &githttp.BasicAuth{Username: options.Username, Password: options.Password}, nil
	}
	return nil, nil
}

func sshAuth(options fluxgit.AuthOptions, secret string) (transport.AuthMethod, error) {
	keys, err := gitssh.NewPublicKeys(options.Username, bytes.TrimSpace(options.Identity), options.Password)
	if err != nil {
		advice := "it isn't a private key in PEM or OpenSSH format"
		if options.Password != "" {
			advice += ", or key \"password\" doesn't open it"
		} else if locked := new(gossh.PassphraseMissingError); errors.As(err, &locked) || strings.Contains(err.Error(), "passphrase") || strings.Contains(err.Error(), "password") {
			advice = "it is encrypted, add its passphrase under the key \"password\""
		}
		return nil, failure(ErrBadSecret, "%s: key %q can't be used: %s", secret, "identity", advice)
	}
	keys.HostKeyCallback, keys.HostKeyAlgorithms, err = credentials.KnownHosts(options.KnownHosts)
	if err != nil {
		return nil, failure(ErrBadSecret, "%s: key %q isn't in known_hosts format", secret, "known_hosts")
	}
	if slices.Equal(keys.HostKeyAlgorithms, []string{"ssh-rsa"}) {
		keys.HostKeyAlgorithms = []string{"rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"}
	}
	return timedKeys{keys}, nil
}

// timedKeys bounds the dialing, which go-git does outside any context.
type timedKeys struct{ *gitssh.PublicKeys }

// ClientConfig is what go-git asks of an SSH authentication method.
func (k timedKeys) ClientConfig() (*gossh.ClientConfig, error) {
	settings, err := k.PublicKeys.ClientConfig()
	if err == nil {
		settings.Timeout = dialTimeout
	}
	return settings, err
}
