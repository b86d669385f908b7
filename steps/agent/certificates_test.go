package agent

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/test/certs"
)

// certified is an agent's API by its files, which a test may replace.
type certified struct {
	t         *testing.T
	directory string
	address   string
}

func newCertified(t *testing.T) *certified {
	c := &certified{t: t, directory: t.TempDir()}
	file := func(name string) string { return filepath.Join(c.directory, name) }
	a := newAgent(t.Context(), Options{CertificateAuthority: file("ca.crt"), Certificate: file("tls.crt"), Key: file("tls.key")})
	server := httptest.NewUnstartedServer(onlyController(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("{}"))
	})))
	server.TLS = a.serverTLS()
	server.StartTLS()
	t.Cleanup(server.Close)
	c.address = server.Listener.Addr().String()
	return c
}

// mount replaces the files, as the kubelet does with a Secret that changed.
func (c *certified) mount(authority []byte, pair protocol.KeyPair) {
	c.t.Helper()
	for name, content := range map[string][]byte{"ca.crt": authority, "tls.crt": pair.Certificate, "tls.key": pair.Key} {
		if err := os.WriteFile(filepath.Join(c.directory, name), content, 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
}

// call is one request of a controller with these certificates, over a connection of its own.
func (c *certified) call(authority []byte, pair protocol.KeyPair) error {
	c.t.Helper()
	config, err := protocol.ClientTLS(authority, pair, "orders", "shop")
	if err != nil {
		c.t.Fatal(err)
	}
	client := protocol.NewClient("pooler-0", c.address, config)
	defer client.Close()
	_, err = client.State(c.t.Context())
	return err
}

// issue a new authority's certificates for the proxy orders of namespace shop.
func issue(t *testing.T) (authority *protocol.Authority, server, client protocol.KeyPair) {
	t.Helper()
	authority, err := protocol.NewAuthority("orders", "shop")
	if err != nil {
		t.Fatal(err)
	}
	if server, err = authority.IssueServer("orders", "shop"); err != nil {
		t.Fatal(err)
	}
	if client, err = authority.IssueClient(); err != nil {
		t.Fatal(err)
	}
	return authority, server, client
}

func TestAgentAndControllerTrustOnlyTheirOwnAuthority(t *testing.T) {
	authority, server, client := issue(t)
	ca, name := authority.Pair.Certificate, protocol.AgentServerName("orders", "shop")
	own, stranger := certs.Load(t, certs.Pair(authority.Pair)), certs.NewAuthority(t)
	later, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	c := newCertified(t)
	for _, story := range []struct {
		name           string
		server, client protocol.KeyPair
		refused        bool
		says           string
	}{
		{"as issued", server, client, false, ""},
		{"a controller's certificate that expired", server, protocol.KeyPair(own.Issue(t, past, protocol.ControllerName)), true, ""},
		{"a controller's certificate of another authority", server, protocol.KeyPair(stranger.Issue(t, later, protocol.ControllerName)), true, "403"},
		{"another name's certificate", server, protocol.KeyPair(own.Issue(t, later, "somebody")), true, "403"},
		{"an agent's certificate as controller", server, server, true, ""},
		{"an agent's certificate that expired", protocol.KeyPair(own.Issue(t, past, name)), client, true, "expired"},
		{"an agent's certificate of another authority", protocol.KeyPair(stranger.Issue(t, later, name)), client, true, "unknown authority"},
		{"an agent of another proxy", protocol.KeyPair(own.Issue(t, later, protocol.AgentServerName("billing", "shop"))), client, true, "not " + name},
		{"a controller's certificate as agent", client, client, true, "x509"},
	} {
		c.mount(ca, story.server)
		err := c.call(ca, story.client)
		if (err != nil) != story.refused || err != nil && !strings.Contains(err.Error(), story.says) {
			t.Errorf("%s: %v; it should say %q", story.name, err, story.says)
		}
	}
}

// TestARenewedCertificateCountsAtTheNextHandshake, also that of an authority which follows another.
func TestARenewedCertificateCountsAtTheNextHandshake(t *testing.T) {
	old, oldServer, oldClient := issue(t)
	next, nextServer, nextClient := issue(t)
	both := append(append([]byte{}, next.Pair.Certificate...), old.Pair.Certificate...)
	c := newCertified(t)
	try := func(story string, authority []byte, client protocol.KeyPair, good bool) {
		t.Helper()
		if err := c.call(authority, client); (err == nil) != good {
			t.Errorf("%s: %v", story, err)
		}
	}
	c.mount(old.Pair.Certificate, oldServer)
	try("before", old.Pair.Certificate, oldClient, true)
	try("a controller that renewed first waits for the agent's files", both, nextClient, false)
	c.mount(both, oldServer)
	try("both are trusted: the old controller", old.Pair.Certificate, oldClient, true)
	try("both are trusted: the new one", both, nextClient, true)
	c.mount(both, nextServer)
	try("the agent has renewed", both, oldClient, true)
	c.mount(next.Pair.Certificate, nextServer)
	try("the old authority is gone", both, oldClient, false)
	try("the new one goes on", next.Pair.Certificate, nextClient, true)
}

func TestCertificatesAreRenewedInTheLastThirdOfTheirLife(t *testing.T) {
	authority, err := protocol.NewAuthority("orders", "shop")
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.IssueClient()
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	for _, c := range []struct {
		pair  protocol.KeyPair
		after time.Duration
		due   bool
	}{
		{client, 0, false}, {client, 59 * day, false}, {client, 61 * day, true}, {client, 91 * day, true},
		{authority.Pair, 6 * 365 * day, false}, {authority.Pair, 7 * 365 * day, true}, {protocol.KeyPair{}, 0, true},
		{protocol.KeyPair{Certificate: client.Certificate, Key: authority.Pair.Key}, 0, true},
	} {
		if got := protocol.NeedsRenewal(c.pair, time.Now().Add(c.after)); got != c.due {
			t.Errorf("after %s: %t", c.after, got)
		}
	}
	if _, err := tls.X509KeyPair(client.Certificate, client.Key); err != nil {
		t.Error(err)
	}
}
