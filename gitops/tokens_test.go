package gitops

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/gitover/gitover/test/githttp"
)

// gitHub answers like GitHub: it gives tokens to an App that proves to have its key, and serves a real repository to who has one.
type gitHub struct {
	*httptest.Server
	t      *testing.T
	key    *rsa.PrivateKey
	mu     sync.Mutex
	given  int
	valid  map[string]bool
	lasts  time.Duration
	status int // other than 201: what the API answers
}

func newGitHub(t *testing.T, root string) *gitHub {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	backend, err := githttp.Backend(root, userName)
	if err != nil {
		t.Fatal(err)
	}
	gh := &gitHub{t: t, key: key, valid: map[string]bool{}, lasts: time.Hour, status: http.StatusCreated}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /app/installations/7/access_tokens", gh.token)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		user, token, _ := r.BasicAuth()
		gh.mu.Lock()
		ok := user == "x-access-token" && gh.valid[token]
		gh.mu.Unlock()
		if !ok {
			w.Header().Set("WWW-Authenticate", "Basic")
			http.Error(w, "Bad credentials", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	})
	gh.Server = httptest.NewServer(mux)
	t.Cleanup(gh.Close)
	return gh
}

func (gh *gitHub) token(w http.ResponseWriter, r *http.Request) {
	gh.mu.Lock()
	defer gh.mu.Unlock()
	parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), ".")
	if len(parts) != 3 {
		gh.t.Errorf("no JWT: %d parts", len(parts))
		return
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		gh.t.Error(err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&gh.key.PublicKey, crypto.SHA256, sum[:], signature); err != nil || gh.status != http.StatusCreated {
		w.WriteHeader(max(gh.status, http.StatusUnauthorized))
		_, _ = io.WriteString(w, `{"message":"A JSON web token could not be decoded"}`)
		return
	}
	gh.given++
	token := fmt.Sprintf("ghs_secret%d", gh.given)
	gh.valid[token] = true
	w.WriteHeader(http.StatusCreated)
	_, _ = fmt.Fprintf(w, `{"token":%q,"expires_at":%q}`, token, time.Now().Add(gh.lasts).UTC().Format(time.RFC3339))
}

// change what the server does, while nobody asks.
func (gh *gitHub) change(do func()) {
	gh.mu.Lock()
	defer gh.mu.Unlock()
	do()
}

// open with the App's Secret; each has an id of its own, so that no other story has its tokens.
func (gh *gitHub) open(id string) *Repository {
	gh.t.Helper()
	access, err := NewAccess(gh.URL+"/fleet.git", "main", secretOf("githubAppID", id, "githubAppInstallationID", "7", "githubAppBaseURL", gh.URL,
		"githubAppPrivateKey", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(gh.key)}))))
	if err != nil {
		gh.t.Fatal(err)
	}
	return Open(access, gh.t.TempDir())
}

func TestAGitHubAppCommitsAndItsTokenMayEndAtAnyTime(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	gh := newGitHub(t, s.root)
	r := gh.open("1")
	_, err := r.Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.show("apps/orders/proxy.yaml")).To(ContainSubstring("orders-17"))
	_, err = gh.open("1").Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(gh.given).To(Equal(1), "a token is used as long as it is valid, by all who have the App")

	gh.change(func() { gh.valid = map[string]bool{} })
	_, err = r.Fetch(ctx)
	g.Expect(errors.Is(err, ErrUnauthorized)).To(BeTrue(), "%v", err)
	g.Expect(err.Error()).To(And(ContainSubstring("the next attempt takes a new token of the GitHub App of Secret flux/git"), Not(ContainSubstring("ghs_secret"))))
	_, err = r.Commit(ctx, request("CommitRollback", SetTarget("orders", "orders-15")))
	g.Expect(err).NotTo(HaveOccurred(), "in the middle of an upgrade")
	g.Expect(gh.given).To(Equal(2))

	gh.change(func() { gh.lasts, gh.valid = time.Minute, map[string]bool{} })
	_, err = r.Fetch(ctx)
	g.Expect(err).To(HaveOccurred())
	for want := 3; want < 6; want++ {
		_, err = r.Fetch(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(gh.given).To(Equal(want), "a token that ends soon isn't used")
	}
}

func TestAGitHubAppThatGetsNoTokenSaysWhy(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	gh := newGitHub(t, s.root)
	for status, kind := range map[int]error{http.StatusUnauthorized: ErrUnauthorized, http.StatusNotFound: ErrUnauthorized, http.StatusBadGateway: ErrUnreachable} {
		gh.change(func() { gh.status = status })
		_, err := gh.open("2").Fetch(ctx)
		g.Expect(errors.Is(err, kind)).To(BeTrue(), "%d: %v", status, err)
		g.Expect(err.Error()).To(And(ContainSubstring("Secret flux/git"), Not(ContainSubstring("PRIVATE"))))
	}
	gh.change(func() { gh.status = http.StatusCreated })
	_, err := gh.open("2").Fetch(ctx)
	g.Expect(err).NotTo(HaveOccurred(), "it was installed again")

	key := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(gh.key)}))
	for name, c := range map[string]struct {
		url, says string
		secret    *Secret
	}{
		"no key":          {"https://h/r", "githubAppPrivateKey", secretOf("githubAppID", "1", "githubAppInstallationID", "7")},
		"no installation": {"https://h/r", "githubAppInstallationOwner", secretOf("githubAppID", "1", "githubAppPrivateKey", key)},
		"not a key":       {"https://h/r", "PEM", secretOf("githubAppID", "1", "githubAppInstallationID", "7", "githubAppPrivateKey", "hush-hush")},
		"not a number":    {"https://h/r", "has to be a number", secretOf("githubAppID", "mine", "githubAppInstallationID", "7", "githubAppPrivateKey", key)},
		"by ssh":          {"ssh://git@h/r", "change the repository's URL to https://", secretOf("githubAppID", "1", "githubAppInstallationID", "7", "githubAppPrivateKey", key)},
	} {
		_, err := NewAccess(c.url, "main", c.secret)
		g.Expect(errors.Is(err, ErrBadSecret)).To(BeTrue(), "%s: %v", name, err)
		g.Expect(err.Error()).To(And(ContainSubstring(c.says), ContainSubstring("Secret flux/git"), Not(ContainSubstring("hush-hush"))), name)
	}
}

// forwardProxy is a proxy that wants a password; it tells how many requests and tunnels went through it.
func forwardProxy(t *testing.T) (address string, through func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("gitover:let-me-out")) {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		mu.Lock()
		n++
		mu.Unlock()
		if r.Method == http.MethodConnect {
			tunnel(w, r)
			return
		}
		r.Header.Del("Proxy-Authorization")
		response, err := transport.RoundTrip(r)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = response.Body.Close() }()
		for key, values := range response.Header {
			w.Header()[key] = values
		}
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	}))
	t.Cleanup(server.Close)
	return server.URL, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func tunnel(w http.ResponseWriter, r *http.Request) {
	out, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer func() { _ = out.Close() }()
	w.WriteHeader(http.StatusOK)
	in, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = in.Close() }()
	go func() {
		_, _ = io.Copy(out, buffered)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
}

func TestARepositoryIsReachedThroughTheProxyOfASecret(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	address, through := forwardProxy(t)
	secret := &Secret{Namespace: "flux", Name: "proxy", Data: map[string][]byte{"address": []byte(address), "username": []byte("gitover"), "password": []byte("let-me-out")}}
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Config.Handler.ServeHTTP(w, r) }))
	t.Cleanup(secure.Close)
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	for target, server := range map[string]string{"orders-17": s.URL, "orders-15": secure.URL} {
		before := through()
		access, err := NewAccess(server+"/fleet.git", "main", secretOf("username", userName, "password", password, "ca.crt", authority), WithProxy(secret))
		g.Expect(err).NotTo(HaveOccurred())
		_, err = Open(access, t.TempDir()).Commit(ctx, CommitRequest{Directory: "apps/orders", Message: target, Author: gitover, Edit: func(tree *Tree) error {
			return tree.Write("note.md", []byte(target))
		}})
		g.Expect(err).NotTo(HaveOccurred(), server)
		g.Expect(through()).To(BeNumerically(">", before), server)
	}
	secret.Data["password"] = []byte("guessed-it")
	access, err := NewAccess(s.URL+"/fleet.git", "main", secretOf("username", userName, "password", password), WithProxy(secret))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = Open(access, t.TempDir()).Fetch(ctx)
	g.Expect(err).To(HaveOccurred())
	g.Expect(err.Error()).NotTo(ContainSubstring("guessed-it"))
	for says, data := range map[string]map[string][]byte{
		`no key "address"`: {}, "isn't a URL": {"address": []byte("proxy:3128")}, `no "username"`: {"address": []byte("http://p:1"), "password": []byte("hush-hush")},
	} {
		_, err := NewAccess(s.URL+"/fleet.git", "main", nil, WithProxy(&Secret{Namespace: "flux", Name: "proxy", Data: data}))
		g.Expect(errors.Is(err, ErrBadSecret)).To(BeTrue(), "%v", err)
		g.Expect(err.Error()).To(And(ContainSubstring(says), ContainSubstring("Secret flux/proxy"), Not(ContainSubstring("hush-hush"))))
	}
}
