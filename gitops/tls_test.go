package gitops

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/gitover/gitover/test/certs"
)

// TestAGitServerWithAWrongCertificateGetsNoPassword: of another authority, for another host, expired.
func TestAGitServerWithAWrongCertificateGetsNoPassword(t *testing.T) {
	authority, stranger := certs.NewAuthority(t), certs.NewAuthority(t)
	later := time.Now().Add(time.Hour)
	for name, pair := range map[string]certs.Pair{
		"its own": authority.Issue(t, later, "127.0.0.1"), "another authority's": stranger.Issue(t, later, "127.0.0.1"),
		"another host's": authority.Issue(t, later, "git.example.com"), "an expired one": authority.Issue(t, time.Now().Add(-time.Hour), "127.0.0.1"),
	} {
		t.Run(name, func(t *testing.T) {
			g, s := NewWithT(t), newStage(t)
			var asked atomic.Bool
			secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Store(true)
				s.Config.Handler.ServeHTTP(w, r)
			}))
			loaded, err := tls.X509KeyPair(pair.Certificate, pair.Key)
			g.Expect(err).NotTo(HaveOccurred())
			secure.TLS = &tls.Config{Certificates: []tls.Certificate{loaded}}
			secure.StartTLS()
			defer secure.Close()
			access, err := NewAccess(secure.URL+"/fleet.git", "main", secretOf("username", userName, "password", password, "ca.crt", string(authority.PEM)))
			g.Expect(err).NotTo(HaveOccurred())
			_, err = Open(access, "").Fetch(t.Context())
			if name == "its own" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(errors.Is(err, ErrUnreachable)).To(BeTrue(), "%v", err)
			g.Expect(err.Error()).To(And(ContainSubstring("x509"), ContainSubstring("ca.crt")))
			g.Expect(asked.Load()).To(BeFalse(), "a request was sent")
		})
	}
}

// TestARedirectTakesNoPasswordAlong: to another host, or to one without TLS.
func TestARedirectTakesNoPasswordAlong(t *testing.T) {
	g, s := NewWithT(t), newStage(t)
	var seen atomic.Value
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Store(fmt.Sprint("asked with ", r.Header.Get("Authorization")))
		if r.Header.Get("Authorization") == "" {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer thief.Close()
	s.on(func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		http.Redirect(w, r, strings.Replace(thief.URL, "127.0.0.1", "localhost", 1)+r.URL.String(), http.StatusFound)
	})
	_, err := s.open().Fetch(t.Context())
	g.Expect(err).To(HaveOccurred())
	g.Expect(err.Error()).NotTo(ContainSubstring(password))
	if said := fmt.Sprint(seen.Load()); strings.Contains(said, "Basic ") {
		t.Errorf("the other host was %s", said)
	}
}
