package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// trust installs the server's own CA and the name to check. Like libpq it ignores the CA if
// the mode allows a connection without TLS.
func (s Server) trust(config *pgx.ConnConfig) error {
	if config.TLSConfig == nil {
		if s.demandsTLS() {
			return fmt.Errorf("sslmode %s of %s, but no TLS settings", s.SSLMode, s.Instance)
		}
		return nil
	}
	config.TLSConfig.ServerName = s.Host
	if len(s.CA) == 0 || s.SSLMode != "require" && !s.Verifies() {
		return nil
	}
	pool, err := certPool(s.CA)
	if err != nil {
		return fmt.Errorf("CA bundle of %s: %w", s.Instance, err)
	}
	config.TLSConfig = verifying(s.SSLMode, s.Host, pool)
	return nil
}

// preferTLS continues over the same connection if the server has no TLS, as libpq does: the driver would open a second
// connection, and the server would start two processes for each session. The driver's second attempt, after a failed one with
// TLS, is also without TLS.
func preferTLS(config *pgx.ConnConfig) {
	settings, offered := config.TLSConfig, map[string]bool{}
	config.TLSConfig = nil
	config.AfterNetConnect = func(ctx context.Context, _ *pgconn.Config, conn net.Conn) (net.Conn, error) {
		address := conn.RemoteAddr().String() // a host may have several addresses; each is asked
		if offered[address] {
			return conn, nil
		}
		offered[address] = true
		return offerTLS(ctx, conn, settings)
	}
}

// offerTLS asks a server whether it supports TLS, and uses it if so.
func offerTLS(ctx context.Context, conn net.Conn, settings *tls.Config) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request, err := (&pgproto3.SSLRequest{}).Encode(nil)
	if err != nil {
		return conn, err
	}
	if _, err := conn.Write(request); err != nil {
		return conn, fmt.Errorf("ask for TLS: %w", err)
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return conn, fmt.Errorf("ask for TLS: %w", err)
	}
	if answer[0] != 'S' {
		return conn, nil
	}
	secure := tls.Client(conn, settings)
	return secure, secure.HandshakeContext(ctx)
}

// Verifies: the server's certificate is checked before authentication.
func (s Server) Verifies() bool { return s.SSLMode == "verify-ca" || s.SSLMode == "verify-full" }

func (s Server) demandsTLS() bool { return s.SSLMode == "require" || s.Verifies() }

// keepPassword hides the password from a server that isn't verified: it allows only SCRAM,
// which doesn't send the password, and which a server can complete only if it knows the
// password's verifier. A server that asks for no password is refused, too, since statements
// carry secrets.
func (s Server) keepPassword(config *pgx.ConnConfig) {
	if s.Password != "" && !s.Verifies() {
		config.RequireAuth = "scram-sha-256"
	}
}

// verifying returns the TLS settings for a CA: verify-full also checks the name, verify-ca and
// require check only the chain, as libpq does.
func verifying(mode, host string, pool *x509.CertPool) *tls.Config {
	if mode == "verify-full" {
		return &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12}
	}
	return &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // the chain is verified below; verify-ca does not check the name
		VerifyConnection:   verifyChain(pool),
		MinVersion:         tls.VersionTLS12,
	}
}

func certPool(pem []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no PEM certificate found")
	}
	return pool, nil
}

// verifyChain checks that the peer's certificate was signed by pool, whatever its name; of a resumed session, too.
func verifyChain(pool *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("server sent no certificate")
		}
		intermediates := x509.NewCertPool()
		for _, cert := range state.PeerCertificates[1:] {
			intermediates.AddCert(cert)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, Intermediates: intermediates})
		return err
	}
}

// Untrusted: the server didn't prove its identity, or asked for the password in a way that
// would reveal it. A human must act.
func Untrusted(err error) bool {
	var failure *connectionError
	return errors.As(err, &failure) && failure.distrust() != ""
}

// distrust says why a server isn't trusted and what to do; empty for any other failure.
func (e *connectionError) distrust() string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch text := e.cause.Error(); {
	case errors.As(e.cause, &unknown):
		return "the server's certificate isn't signed by an authority in ca.crt of the connection's Secret"
	case errors.As(e.cause, &name):
		return "the server's certificate is for another host: " + name.Error()
	case errors.As(e.cause, &invalid):
		return "the server's certificate isn't valid: " + invalid.Error()
	case strings.Contains(text, "require_auth check failed"), strings.Contains(text, "channel binding check failed"):
		return "the server asks for the password in a way that could reveal it, and isn't verified:  " +
			"use scram-sha-256 in pg_hba.conf and password_encryption and set the password again, or sslMode verify-full"
	case e.demandsTLS && strings.Contains(text, "server refused TLS connection"):
		return "the server has no TLS, which sslMode requires: set ssl = on there"
	}
	return ""
}
