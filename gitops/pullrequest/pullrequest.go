package pullrequest

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Providers by name.
const (
	GitHub = "GitHub"
	GitLab = "GitLab"
	Gitea  = "Gitea"
)

// timeout of one request.
const timeout = 30 * time.Second

// Errors by kind.
var (
	// ErrSettings: the repository's URL, the provider or the token can't be right; another attempt would end the same way.
	ErrSettings = errors.New("the pull request's settings can't be used")
	// ErrDenied: the token lacks the right, or is none.
	ErrDenied = errors.New("the token may not open pull requests")
	// ErrHost: any other answer, or none; worth a retry.
	ErrHost = errors.New("the Git host didn't do it")
)

// Settings of a repository at a host.
type Settings struct {
	// Provider by name.
	Provider string
	// Repository's URL, as it is cloned from.
	Repository string
	// API is the address of the host's web interface, https://git.example.com. By default the repository's own host, by https.
	API string
	// Token for the host; never part of an error.
	Token string
	// CA are certificates in PEM that the host's is verified with, beside the system's own if it is empty.
	CA []byte
}

// Request is what to merge, and what people read about it.
type Request struct {
	// Branch to be merged into Into.
	Branch, Into string
	Title, Body  string
}

// State of a pull request.
type State struct {
	Number int64
	// URL for people.
	URL string
	// Open: neither merged nor closed.
	Open, Merged bool
}

// host is one provider's interface.
type host interface {
	// open makes a pull request.
	open(ctx context.Context, r Request) (State, error)
	// find an open one of the same branches; false if there is none.
	find(ctx context.Context, r Request) (State, bool, error)
	state(ctx context.Context, number int64) (State, error)
}

// Client of one repository at a host. Safe for concurrent use.
type Client struct {
	host  host
	token string
}

// New doesn't use the network. Errors are ErrSettings.
func New(s Settings) (*Client, error) {
	repository, err := url.Parse(strings.TrimSpace(s.Repository))
	if err != nil || repository.Host == "" {
		return nil, fmt.Errorf("%w: the repository's URL isn't of the form https://host/path", ErrSettings)
	}
	path := strings.TrimSuffix(strings.Trim(repository.Path, "/"), ".git")
	owner, name, nested := cutLast(path)
	if name == "" || owner == "" {
		return nil, fmt.Errorf("%w: %q in the repository's URL isn't owner/name", ErrSettings, path)
	}
	if s.Token == "" {
		return nil, fmt.Errorf("%w: there is no token", ErrSettings)
	}
	base, err := url.Parse(cmp.Or(s.API, "https://"+repository.Hostname()))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("%w: %q isn't the address of a host", ErrSettings, s.API)
	}
	web, err := webClient(s.CA)
	if err != nil {
		return nil, err
	}
	c := &Client{token: s.Token}
	switch {
	case s.Provider != GitLab && nested:
		err = fmt.Errorf("%w: %q in the repository's URL isn't owner/name", ErrSettings, path)
	case s.Provider == GitHub:
		c.host, err = newGitHub(web, base, owner, name, s.Token)
	case s.Provider == GitLab:
		c.host, err = newGitLab(web, base, path, s.Token)
	case s.Provider == Gitea:
		c.host = newGitea(web, base, owner, name, s.Token)
	default:
		err = fmt.Errorf("%w: the provider %q is none of GitHub, GitLab and Gitea", ErrSettings, s.Provider)
	}
	if err != nil {
		return nil, c.told(err)
	}
	return c, nil
}

// cutLast takes owner and name apart; nested if the owner is a group within a group.
func cutLast(path string) (owner, name string, nested bool) {
	at := strings.LastIndexByte(path, '/')
	if at < 0 {
		return "", path, false
	}
	return path[:at], path[at+1:], strings.Contains(path[:at], "/")
}

func webClient(ca []byte) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:errcheck // net/http says that it is one
	if len(ca) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%w: the CA holds no certificate in PEM", ErrSettings)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport, Timeout: timeout}, nil
}

// Open the pull request of a branch, unless there is an open one already. A second call is harmless. Errors: ErrDenied, and ErrHost,
// which is worth a retry.
func (c *Client) Open(ctx context.Context, r Request) (State, error) {
	state, found, err := c.host.find(ctx, r)
	if err == nil && !found {
		state, err = c.host.open(ctx, r)
	}
	if err != nil {
		return State{}, fmt.Errorf("open a pull request of %s: %w", r.Branch, c.told(err))
	}
	return state, nil
}

// State of a pull request by its number. Reads only.
func (c *Client) State(ctx context.Context, number int64) (State, error) {
	state, err := c.host.state(ctx, number)
	if err != nil {
		return State{}, fmt.Errorf("read pull request %d: %w", number, c.told(err))
	}
	return state, nil
}

// told is an error by its kind, without the token.
func (c *Client) told(err error) error {
	if errors.Is(err, ErrSettings) || errors.Is(err, ErrDenied) {
		return err
	}
	text := err.Error()
	if c.token != "" {
		text = strings.ReplaceAll(text, c.token, "…")
	}
	return fmt.Errorf("%w: %.300s", ErrHost, text)
}

// judged is an answer's error by its status.
func judged(status int, err error) error {
	switch {
	case err == nil:
		return nil
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound:
		// hosts hide what a token may not see
		return fmt.Errorf("%w: the host answered %d", ErrDenied, status)
	}
	return err
}
