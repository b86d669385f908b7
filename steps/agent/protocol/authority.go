package protocol

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	// ControllerName is the common name of the only client that agents accept.
	ControllerName = "gitover-controller"

	authorityLifetime   = 10 * 365 * 24 * time.Hour
	certificateLifetime = 90 * 24 * time.Hour
	// clockSkew that certificates allow for.
	clockSkew = 5 * time.Minute
)

// AgentServerName is the name in the certificate of a proxy's agents. They are reached by pod
// address, so only this name distinguishes one proxy's agents from another's.
func AgentServerName(proxy, namespace string) string {
	return "agent." + proxy + "." + namespace + ".gitover"
}

// KeyPair is a certificate and its key, in PEM.
type KeyPair struct{ Certificate, Key []byte }

// Authority issues the certificates of one proxy.
type Authority struct {
	// Pair of the authority itself; its key stays with the controller.
	Pair        KeyPair
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes an authority for one proxy.
func NewAuthority(proxy, namespace string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificate("gitover "+namespace+"/"+proxy, authorityLifetime)
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign
	pair, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	return LoadAuthority(pair)
}

// LoadAuthority reads an authority that NewAuthority made.
func LoadAuthority(pair KeyPair) (*Authority, error) {
	loaded, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		return nil, fmt.Errorf("load certificate authority: %w", err)
	}
	cert, err := x509.ParseCertificate(loaded.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("load certificate authority: %w", err)
	}
	key, ok := loaded.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !cert.IsCA {
		return nil, errors.New("load certificate authority: not one of Gitover's")
	}
	return &Authority{Pair: pair, certificate: cert, key: key}, nil
}

// IssueServer gives a proxy's agents their certificate.
func (a *Authority) IssueServer(proxy, namespace string) (KeyPair, error) {
	template := certificate(AgentServerName(proxy, namespace), certificateLifetime)
	template.DNSNames = []string{AgentServerName(proxy, namespace)}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return a.issue(template)
}

// IssueClient gives the controller its certificate.
func (a *Authority) IssueClient() (KeyPair, error) {
	template := certificate(ControllerName, certificateLifetime)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(template)
}

func (a *Authority) issue(template *x509.Certificate) (KeyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return KeyPair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	return sign(template, a.certificate, key, a.key)
}

// NeedsRenewal says whether a certificate is unusable or in the last third of its life.
func NeedsRenewal(pair KeyPair, now time.Time) bool {
	loaded, err := tls.X509KeyPair(pair.Certificate, pair.Key)
	if err != nil {
		return true
	}
	cert, err := x509.ParseCertificate(loaded.Certificate[0])
	if err != nil {
		return true
	}
	life := cert.NotAfter.Sub(cert.NotBefore)
	return now.After(cert.NotAfter.Add(-life / 3))
}

// ClientTLS is the controller's configuration to reach the agents of a proxy.
func ClientTLS(ca []byte, client KeyPair, proxy, namespace string) (*tls.Config, error) {
	loaded, err := tls.X509KeyPair(client.Certificate, client.Key)
	if err != nil {
		return nil, fmt.Errorf("load client certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("load certificate authority: no PEM certificate")
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: pool, Certificates: []tls.Certificate{loaded},
		ServerName: AgentServerName(proxy, namespace),
	}, nil
}

func certificate(name string, lifetime time.Duration) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now.Add(-clockSkew), NotAfter: now.Add(lifetime),
	}
}

func sign(template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) (KeyPair, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return KeyPair{}, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return KeyPair{}, fmt.Errorf("issue certificate: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}),
	}, nil
}
