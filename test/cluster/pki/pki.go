// Package pki makes the certificates, keys and kubeconfigs of one run of the
// stage. Nothing of it outlives the run.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/gitover/gitover/test/cluster/layout"
)

// lifetime is far longer than a stage lives, and starts early enough for tests
// that set clocks back.
const (
	lifetime = 365 * 24 * time.Hour
	headroom = 24 * time.Hour
)

type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

// identity is one certificate: who it names and what it may be used for.
type identity struct {
	file   string
	name   string
	group  string
	server bool // a server certificate for hosts; otherwise a client's
}

var identities = []identity{
	{file: "apiserver", name: "kube-apiserver", server: true},
	{file: "kubelet-client", name: "kube-apiserver-kubelet-client", group: "system:masters"},
	{file: "admin", name: "stage-admin", group: "system:masters"},
	{file: "controller-manager", name: "system:kube-controller-manager"},
	{file: "scheduler", name: "system:kube-scheduler"},
	{file: "proxy", name: "system:kube-proxy"},
	{file: "provisioner", name: "stage-provisioner", group: "system:masters"},
	{file: "kubelet", name: "system:node:" + layout.NodeName, group: "system:nodes"},
}

// Write makes everything in dir: ca.crt, <identity>.crt/.key/.kubeconfig, the
// service accounts' key pair and the front proxy's authority.
func Write(dir string, network layout.Network) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ca, err := newAuthority("stage-ca")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), ca.pem, 0o644); err != nil {
		return err
	}
	if err := writeKey(filepath.Join(dir, "ca.key"), ca.key); err != nil {
		return err
	}
	for _, id := range identities {
		if err := ca.issue(dir, id, network); err != nil {
			return fmt.Errorf("certificate %s: %w", id.file, err)
		}
		if !id.server {
			if err := writeKubeconfig(dir, id, ca.pem, network); err != nil {
				return err
			}
		}
	}
	return writeServiceAccountKeys(dir)
}

func newAuthority(name string) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := certificateTemplate(pkix.Name{CommonName: name})
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	return authority{certificate: certificate, key: key, pem: encode("CERTIFICATE", der)}, err
}

func (ca authority) issue(dir string, id identity, network layout.Network) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	subject := pkix.Name{CommonName: id.name}
	if id.group != "" {
		subject.Organization = []string{id.group}
	}
	template := certificateTemplate(subject)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if id.server {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		template.DNSNames = []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc." + layout.ClusterDNS, layout.NodeName, "localhost"}
		for _, address := range []string{network.Node(), network.APIService(), "127.0.0.1"} {
			template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, id.file)
	if err := os.WriteFile(path+".crt", encode("CERTIFICATE", der), 0o644); err != nil {
		return err
	}
	return writeKey(path+".key", key)
}

func certificateTemplate(subject pkix.Name) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the system's random source never fails
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: subject,
		NotBefore: time.Now().Add(-headroom), NotAfter: time.Now().Add(lifetime),
	}
}

func writeServiceAccountKeys(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "sa.pub"), encode("PUBLIC KEY", public), 0o644); err != nil {
		return err
	}
	return writeKey(filepath.Join(dir, "sa.key"), key)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, encode("EC PRIVATE KEY", der), 0o600)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func writeKubeconfig(dir string, id identity, ca []byte, network layout.Network) error {
	path := filepath.Join(dir, id.file)
	certificate, err := os.ReadFile(path + ".crt")
	if err != nil {
		return err
	}
	key, err := os.ReadFile(path + ".key")
	if err != nil {
		return err
	}
	inline := base64.StdEncoding.EncodeToString
	content := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: stage
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %s
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: stage
  context: {cluster: stage, user: "%s"}
current-context: stage
`, network.APIServer(), inline(ca), `"`+id.name+`"`, inline(certificate), inline(key), id.name)
	return os.WriteFile(path+".kubeconfig", []byte(content), 0o600)
}
