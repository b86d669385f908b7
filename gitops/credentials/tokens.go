package credentials

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// A token that ends within this time is replaced before it is used: an exchange with a server may take that long.
const renewBefore = 5 * time.Minute

// Token is a secret for a while.
type Token struct {
	Username, Secret string
	// Expires is when it ends.
	Expires time.Time
}

// Tokens gives the one that is valid now. It is an AuthMethod of go-git's HTTP transport, and safe for concurrent use. Its text form is
// safe to log.
type Tokens struct {
	take func(context.Context) (Token, error)
	now  func() time.Time

	mu      sync.Mutex
	current Token
}

// NewTokens that take gives, each for as long as it is valid by a clock.
func NewTokens(take func(context.Context) (Token, error), now func() time.Time) *Tokens {
	return &Tokens{take: take, now: now}
}

// Ready has a token that is valid for some minutes; it takes a new one if need be.
func (t *Tokens) Ready(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.Secret != "" && t.now().Add(renewBefore).Before(t.current.Expires) {
		return nil
	}
	token, err := t.take(ctx)
	if err == nil {
		t.current = token
	}
	return err
}

// Forget a token that a server refused, e.g. since it was revoked: Ready takes a new one.
func (t *Tokens) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.Expires = time.Time{}
}

// Current is the token that was taken last.
func (t *Tokens) Current() Token {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

// SetAuth adds the token to a request.
func (t *Tokens) SetAuth(r *http.Request) {
	current := t.Current()
	r.SetBasicAuth(current.Username, current.Secret)
}

// Name is of transport.AuthMethod.
func (t *Tokens) Name() string { return "http-token" }

// String has no secret.
func (t *Tokens) String() string { return "token that is renewed" }
