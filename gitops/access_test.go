package gitops

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/fluxcd/pkg/gittestserver"
	"github.com/fluxcd/pkg/ssh"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	. "github.com/onsi/gomega"
	gossh "golang.org/x/crypto/ssh"
)

func secretOf(pairs ...string) *Secret {
	secret := &Secret{Namespace: "flux", Name: "git", Data: map[string][]byte{}}
	for i := 0; i < len(pairs); i += 2 {
		secret.Data[pairs[i]] = []byte(pairs[i+1])
	}
	return secret
}

func TestACredentialThatCannotBeUsedIsNamedButNotShown(t *testing.T) {
	identity, _ := keyPair(t, "")
	locked, _ := keyPair(t, "opensesame")
	known := "git.example.org ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGK9rXCPgL8kBdCcr1uO2GQ4t1o2bMbGk1xk3rU5Z7gQ\n"
	for name, c := range map[string]struct {
		url    string
		secret *Secret
		kind   error
		says   []string
	}{
		"no password":    {"https://h/r", secretOf("username", "someone"), ErrBadSecret, []string{"flux/git", `"password"`}},
		"no user":        {"https://h/r", secretOf("password", "hush-hush"), ErrBadSecret, []string{"flux/git", `"username"`}},
		"bad ca":         {"https://h/r", secretOf("ca.crt", "hush-hush"), ErrBadSecret, []string{`"ca.crt"`}},
		"bad caFile":     {"https://h/r", secretOf("caFile", "hush-hush"), ErrBadSecret, []string{`"caFile"`}},
		"half tls":       {"https://h/r", secretOf("tls.crt", "hush-hush"), ErrBadSecret, []string{`"tls.key"`}},
		"bad tls":        {"https://h/r", secretOf("tls.crt", "hush-hush", "tls.key", "hush-hush"), ErrBadSecret, []string{`"tls.key"`}},
		"github app":     {"https://h/r", secretOf("githubAppID", "1"), ErrBadSecret, []string{"GitHub App"}},
		"ssh, no secret": {"ssh://git@h/r", nil, ErrBadSecret, []string{"identity"}},
		"no identity":    {"ssh://git@h/r", secretOf("known_hosts", known), ErrBadSecret, []string{`"identity"`}},
		"no known_hosts": {"ssh://git@h/r", secretOf("identity", identity), ErrBadSecret, []string{`"known_hosts"`}},
		"bad known_hosts": {"ssh://git@h/r", secretOf("identity", identity, "known_hosts", "h ssh-rsa hush-hush"), ErrBadSecret,
			[]string{`"known_hosts"`}},
		"bad identity": {"ssh://git@h/r", secretOf("identity", "hush-hush", "known_hosts", known), ErrBadSecret, []string{`"identity"`}},
		"locked":       {"ssh://git@h/r", secretOf("identity", locked, "known_hosts", known), ErrBadSecret, []string{`"password"`}},
		"wrong passphrase": {"ssh://git@h/r", secretOf("identity", locked, "known_hosts", known, "password", "hush-hush"), ErrBadSecret,
			[]string{`"password"`}},
		"file url":  {"file:///etc", nil, ErrBadReference, []string{"https"}},
		"scp url":   {"git@h:r", nil, ErrBadReference, []string{"ssh://"}},
		"odd url":   {"https://user:hush-hush@h/%zz", nil, ErrBadReference, nil},
		"no secret": {"https://h/r", nil, nil, nil},
		"token":     {"https://h/r", secretOf("bearerToken", "hush-hush"), nil, nil},
		"passphrase": {"ssh://git@h/r", secretOf("identity", locked, "known_hosts", known, "password", "opensesame"), nil,
			nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := NewAccess(c.url, "main", c.secret)
			if c.kind == nil {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(errors.Is(err, c.kind)).To(BeTrue(), "%v", err)
			g.Expect(err.Error()).NotTo(ContainSubstring("hush-hush"))
			for _, text := range c.says {
				g.Expect(err.Error()).To(ContainSubstring(text))
			}
		})
	}
}

func TestTheBranchIsTheOneThatFluxFollows(t *testing.T) {
	for name, c := range map[string]struct {
		reference *sourcev1.GitRepositoryRef
		branch    string
	}{
		"none":       {nil, "master"},
		"branch":     {&sourcev1.GitRepositoryRef{Branch: "main"}, "main"},
		"name":       {&sourcev1.GitRepositoryRef{Name: "refs/heads/a/b"}, "a/b"},
		"tag":        {&sourcev1.GitRepositoryRef{Tag: "v1"}, ""},
		"commit":     {&sourcev1.GitRepositoryRef{Branch: "main", Commit: "abc"}, ""},
		"semver":     {&sourcev1.GitRepositoryRef{SemVer: "1.x"}, ""},
		"name a tag": {&sourcev1.GitRepositoryRef{Name: "refs/tags/v1"}, ""},
		"hostile":    {&sourcev1.GitRepositoryRef{Branch: "--upload-pack=x"}, ""},
		"injection":  {&sourcev1.GitRepositoryRef{Branch: "main:refs/heads/other"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			branch, err := BranchOf(&sourcev1.GitRepository{Spec: sourcev1.GitRepositorySpec{Reference: c.reference}})
			if c.branch == "" {
				g.Expect(errors.Is(err, ErrBadReference)).To(BeTrue(), "%v", err)
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(branch).To(Equal(c.branch))
		})
	}
}

func keyPair(t *testing.T, passphrase string) (private string, public gossh.PublicKey) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := gossh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = gossh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), signer.PublicKey()
}

func TestOverSSHTheHostIsCheckedAndACommitLands(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	server, err := gittestserver.NewTempGitServer()
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = os.RemoveAll(server.Root()) }()
	server.KeyDir(filepath.Join(server.Root(), "keys"))
	fixture := t.TempDir()
	for name, text := range base {
		file := filepath.Join(fixture, name)
		g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(file, []byte(text), 0o644)).To(Succeed())
	}
	g.Expect(server.InitRepo(fixture, "main", "fleet.git")).To(Succeed())
	g.Expect(server.ListenSSH()).To(Succeed())
	go func() { _ = server.StartSSH() }()
	defer func() { _ = server.StopSSH() }()
	address, err := url.Parse(server.SSHAddress())
	g.Expect(err).NotTo(HaveOccurred())
	known, err := ssh.ScanHostKey(address.Host, dialTimeout, nil, false)
	g.Expect(err).NotTo(HaveOccurred())
	identity, _ := keyPair(t, "opensesame")

	access, err := NewAccess(server.SSHAddress()+"/fleet.git", "main", secretOf("identity", identity, "password", "opensesame", "known_hosts", string(known)))
	g.Expect(err).NotTo(HaveOccurred())
	result, err := Open(access, t.TempDir()).Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(run(t, server.Root()+"/fleet.git", "git", "rev-parse", "main")).To(HavePrefix(result.Commit.SHA))

	_, other := keyPair(t, "")
	wrong := fmt.Sprintf("[127.0.0.1]:%s %s", address.Port(), gossh.MarshalAuthorizedKey(other))
	access, err = NewAccess(server.SSHAddress()+"/fleet.git", "main", secretOf("identity", identity, "password", "opensesame", "known_hosts", wrong))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = Open(access, t.TempDir()).Fetch(ctx)
	g.Expect(errors.Is(err, ErrUnauthorized)).To(BeTrue(), "%v", err)
	g.Expect(err.Error()).To(ContainSubstring("known_hosts"))
}

func TestOverTLSTheServersCertificateIsChecked(t *testing.T) {
	g, ctx := NewWithT(t), t.Context()
	s := newStage(t)
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.Config.Handler.ServeHTTP(w, r) }))
	defer secure.Close()
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	access, err := NewAccess(secure.URL+"/fleet.git", "main", secretOf("username", userName, "password", password, "ca.crt", authority))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = Open(access, "").Commit(ctx, request("CommitCutover", SetTarget("orders", "orders-17")))
	g.Expect(err).NotTo(HaveOccurred())
	access, err = NewAccess(secure.URL+"/fleet.git", "main", secretOf("username", userName, "password", password))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = Open(access, "").Fetch(ctx)
	g.Expect(errors.Is(err, ErrUnreachable)).To(BeTrue(), "%v", err)
	g.Expect(err.Error()).To(ContainSubstring("ca.crt"))
}

func TestNoServerMeansUnreachable(t *testing.T) {
	g := NewWithT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	address := listener.Addr().String()
	g.Expect(listener.Close()).To(Succeed())
	access, err := NewAccess("http://me:hush-hush@"+address+"/fleet.git", "main", nil)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = Open(access, "").Fetch(t.Context())
	g.Expect(errors.Is(err, ErrUnreachable)).To(BeTrue(), "%v", err)
	g.Expect(err.Error()).NotTo(ContainSubstring("hush-hush"))
}
