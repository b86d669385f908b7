package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gitover/gitover/steps/copy"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/replication"
	"github.com/gitover/gitover/test/certs"
	"github.com/gitover/gitover/test/pg"
)

func tomorrow() time.Time { return time.Now().Add(20 * time.Hour) }

// overTLS gives a server a certificate for the given hosts and the way to it by sslmode verify-full.
func overTLS(t *testing.T, s *pg.Server, authority *certs.Authority, until time.Time, hosts ...string) {
	t.Helper()
	s.ServeTLS(authority.Issue(t, until, hosts...))
	s.Host, s.SSLMode, s.CA = "localhost", "verify-full", authority.PEM
}

func TestAServerWithAWrongCertificateIsRefused(t *testing.T) {
	authority, stranger := certs.NewAuthority(t), certs.NewAuthority(t)
	s := pg.Start(t, 17, pg.Logical)
	for _, c := range []struct {
		name   string
		pair   certs.Pair
		host   string
		says   string
		verify map[string]bool // by sslmode: is it let in?
	}{
		{"its own", authority.Issue(t, tomorrow(), "localhost"), "localhost", "", map[string]bool{"verify-full": true, "verify-ca": true, "require": true, "prefer": true}},
		{"of another authority", stranger.Issue(t, tomorrow(), "localhost"), "localhost", "isn't signed by an authority in ca.crt", map[string]bool{"prefer": true}},
		{"for another host", authority.Issue(t, tomorrow(), "other.example.com"), "localhost", "is for another host", map[string]bool{"verify-ca": true, "require": true, "prefer": true}},
		{"of yesterday", authority.Issue(t, time.Now().Add(-time.Hour), "localhost"), "localhost", "isn't valid: x509: certificate has expired", map[string]bool{"prefer": true}},
	} {
		s.SSLMode, s.CA = "", nil
		s.ServeTLS(c.pair)
		for _, mode := range []string{"verify-full", "verify-ca", "require", "prefer"} {
			server := s.Server
			server.Host, server.SSLMode, server.CA = c.host, mode, authority.PEM
			conn, err := server.Connect(t.Context(), "")
			if err == nil {
				_ = conn.Close(context.Background())
			}
			if (err == nil) != c.verify[mode] {
				t.Errorf("a certificate %s, sslmode %s: %v", c.name, mode, err)
			}
			if err != nil && (!postgres.Untrusted(err) || postgres.Unreachable(err) || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("a certificate %s, sslmode %s: not clear: %v", c.name, mode, err)
			}
		}
	}
}

func TestAPasswordIsShownToNoServerThatIsNotVerified(t *testing.T) {
	authority := certs.NewAuthority(t)
	for _, major := range pg.Ends() {
		s := pg.Start(t, major, pg.Logical)
		s.Exec("", "SET password_encryption = md5; CREATE ROLE hashed LOGIN SUPERUSER PASSWORD 'p'")
		s.Exec("", "SET password_encryption = 'scram-sha-256'; CREATE ROLE asked LOGIN SUPERUSER PASSWORD 'p'")
		for _, c := range []struct{ user, method string }{{"asked", "password"}, {"hashed", "md5"}, {"asked", "trust"}, {"hashed", "password"}} {
			s.Ask(c.user, c.method)
			server := s.Server
			server.User, server.Password = c.user, "p"
			for _, mode := range []string{"", "disable", "prefer"} {
				server.SSLMode = mode
				_, err := server.Connect(t.Context(), "")
				if !postgres.Untrusted(err) || !strings.Contains(err.Error(), "scram-sha-256") {
					t.Errorf("PostgreSQL %d asks by %s, sslmode %q: %v", major, c.method, mode, err)
				}
			}
			server.Password = ""
			if conn, err := server.Connect(t.Context(), ""); c.method == "trust" && err != nil {
				t.Errorf("without a password there is nothing to keep: %v", err)
			} else if err == nil {
				_ = conn.Close(context.Background())
			}
		}
		s.ServeTLS(authority.Issue(t, tomorrow(), "localhost"))
		server := s.Server
		server.User, server.Password = "asked", "p"
		server.Host, server.SSLMode, server.CA = "localhost", "verify-full", authority.PEM
		conn, err := server.Connect(t.Context(), "")
		if err != nil {
			t.Errorf("a verified server: %v", err)
			continue
		}
		_ = conn.Close(context.Background())
	}
}

// TestAServerWithoutTLSIsNoAnswerToAModeThatDemandsIt also covers whoever strips TLS on the way.
func TestAServerWithoutTLSIsNoAnswerToAModeThatDemandsIt(t *testing.T) {
	s := pg.Start(t, 15, nil)
	for _, mode := range []string{"require", "verify-ca", "verify-full"} {
		server := s.Server
		server.SSLMode, server.CA = mode, certs.NewAuthority(t).PEM
		if _, err := server.Connect(t.Context(), ""); !postgres.Untrusted(err) || !strings.Contains(err.Error(), "set ssl = on") {
			t.Errorf("sslmode %s: %v", mode, err)
		}
	}
}

// TestALoginTakesOneConnectionWithTLSAndWithout where the mode prefers it: each costs the server a process.
func TestALoginTakesOneConnectionWithTLSAndWithout(t *testing.T) {
	s := pg.Start(t, 15, pg.Settings{"log_connections": "on", "log_min_messages": "log"})
	login := func() (connections int, secure bool) {
		t.Helper()
		server := s.Server
		server.SSLMode = "prefer"
		before := strings.Count(s.Log(), "connection received")
		conn, err := server.Connect(t.Context(), "")
		must(t, err)
		defer conn.Close(t.Context())
		must(t, conn.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&secure))
		return strings.Count(s.Log(), "connection received") - before, secure
	}
	if n, secure := login(); n != 1 || secure {
		t.Errorf("without TLS: %d connections, secure %t", n, secure)
	}
	s.ServeTLS(certs.NewAuthority(t).Issue(t, tomorrow(), "localhost"))
	if n, secure := login(); n != 1 || !secure {
		t.Errorf("with TLS: %d connections, secure %t", n, secure)
	}
}

// TestAnUpgradeRunsOverVerifiedTLS goes from the first connection to the rollback path with servers
// that take nothing but TLS: with a CA bundle where the servers can read it, and without.
func TestAnUpgradeRunsOverVerifiedTLS(t *testing.T) {
	for _, rootCert := range []string{pg.RootCert, ""} {
		somePairs(t, pg.Pairs(pairs[2:4]...), func(t *testing.T, blue, green *pg.Server) {
			authority := certs.NewAuthority(t)
			for _, s := range []*pg.Server{blue, green} {
				overTLS(t, s, authority, tomorrow(), "localhost")
				s.TrustOthers(authority.PEM)
				s.RootCert = rootCert
			}
			blue.Exec("", "CREATE DATABASE shop")
			blue.Exec("shop", shop)
			replicate(t, blue, green)
			follow(t, blue, green, "shop")
			must(t, replication.DropSubscription(t.Context(), green.Server, "shop", names.Subscription("shop", green.Instance)))
			subscribe(t, green, blue, "shop", false)
			green.Exec("shop", "INSERT INTO loose VALUES (1000, 'back')")
			eventually(t, "a row that was written after the cutover is on the rollback path", func() bool {
				return blue.Query("shop", "SELECT b FROM loose WHERE a = 1000") == "back"
			})
			for _, s := range []*pg.Server{blue, green} {
				if plain := s.Query("", "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE NOT ssl"); plain != "0" {
					t.Errorf("%s walsenders of %s without TLS", plain, s.Instance)
				}
			}
		})
	}
}

// TestAServerFollowsNoRogue: the publisher's certificate is not what the subscribing server has
// its bundle for, or the publisher doesn't prove that it knows the password's verifier.
func TestAServerFollowsNoRogue(t *testing.T) {
	authority, stranger := certs.NewAuthority(t), certs.NewAuthority(t)
	somePairs(t, pg.Pairs([2]int{17, 13}, [2]int{15, 18}), func(t *testing.T, blue, green *pg.Server) {
		overTLS(t, blue, authority, tomorrow(), "localhost")
		green.Exec("", "ALTER DATABASE postgres CONNECTION LIMIT 0")
		must(t, replication.CreatePublication(t.Context(), blue.Server, "postgres", names))
		must(t, replication.CreateSlot(t.Context(), blue.Server, "postgres", names, green.Instance))
		try := func(rootCert string) error {
			publisher := blue.Server
			publisher.RootCert = rootCert
			return replication.CreateSubscription(t.Context(), green.Server, replication.SubscribeOptions{Publisher: publisher, Database: "postgres", Names: names})
		}
		refused := func(rootCert, says string) {
			t.Helper()
			if err := try(rootCert); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), pg.Password) {
				t.Errorf("root certificate %q: %v; it should say %q", rootCert, err, says)
			}
		}
		green.TrustOthers(stranger.PEM)
		refused(pg.RootCert, "certificate verify failed")
		refused("/nowhere/root.crt", "does not exist")
		green.TrustOthers(authority.PEM)
		blue.Ask(blue.User, "trust")
		refused("", "channel binding required")

		overTLS(t, blue, authority, tomorrow(), "localhost")
		must(t, try(pg.RootCert))
		streams := func() bool {
			state, err := replication.SlotState(t.Context(), blue.Server, names.Slot("postgres", green.Instance))
			must(t, err)
			return state.Active
		}
		eventually(t, "a publisher with the right certificate is followed", streams)
		blue.SSLMode = "verify-ca"
		blue.ServeTLS(authority.Issue(t, tomorrow(), "other.example.com"))
		eventually(t, "a publisher with another host's certificate is not", func() bool {
			return strings.Contains(green.Log(), `does not match host name "localhost"`) && !streams()
		})
	})
}

func TestTheSchemaJobRefusesAStranger(t *testing.T) {
	authority, stranger := certs.NewAuthority(t), certs.NewAuthority(t)
	blue, green := pg.Start(t, 15, pg.Logical), pg.Start(t, 17, pg.Logical)
	overTLS(t, blue, authority, tomorrow(), "localhost")
	overTLS(t, green, authority, tomorrow(), "localhost")
	blue.CA = stranger.PEM
	if out, err := pg.SchemaJob(t, copy.PreData, blue, green, "postgres").CombinedOutput(); err == nil || !strings.Contains(string(out), "certificate verify failed") {
		t.Errorf("%v: %s", err, out)
	}
	green.SSLMode, green.CA, blue.SSLMode, blue.CA = "require", nil, "require", nil
	green.Exec("", "CREATE ROLE asked LOGIN SUPERUSER PASSWORD '"+strings.ReplaceAll(pg.Password, "'", "''")+"'")
	green.Ask("asked", "password")
	green.User = "asked"
	if out, err := pg.SchemaJob(t, copy.PreData, blue, green, "postgres").CombinedOutput(); err == nil || !strings.Contains(string(out), "authentication method requirement") {
		t.Errorf("%v: %s", err, out)
	}
}
