package controllers

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
)

// Keys of the two Secrets of a proxy. The agents mount the first; the second holds the
// authority's key and stays with the controller.
const (
	keyAuthority        = "ca.crt"
	keyAuthorityKey     = "ca.key"
	keyCertificate      = corev1.TLSCertKey
	keyPrivate          = corev1.TLSPrivateKeyKey
	keyRegisterUser     = "register-user"
	keyRegisterPassword = "register-password"
)

// agentRole may resolve a switch in the decision register, and do nothing else.
const agentRole = "gitover_agent"

// identity is how the controller is known to a proxy's agents, and the agents to servers.
type identity struct {
	tls      *tls.Config
	password postgres.Password
}

func agentSecretName(p *v1alpha1.PgProxy) string      { return p.Name + "-gitover-agent" }
func controllerSecretName(p *v1alpha1.PgProxy) string { return p.Name + "-gitover-controller" }

// identity makes or renews the certificates and the register's password of a proxy. Valid ones
// stay as they are, so that running agents and a second controller can continue.
func (r *ProxyReconciler) identity(ctx context.Context, p *v1alpha1.PgProxy) (identity, error) {
	own, err := r.ownSecret(ctx, p, controllerSecretName(p))
	if err != nil {
		return identity{}, err
	}
	agents, err := r.ownSecret(ctx, p, agentSecretName(p))
	if err != nil {
		return identity{}, err
	}
	now := r.Now()
	authority, err := authorityOf(own, p, now)
	if err != nil {
		return identity{}, fmt.Errorf("certificates of PgProxy %s: %w", p.Name, err)
	}
	if err := renew(own, now, authority.IssueClient); err != nil {
		return identity{}, fmt.Errorf("certificates of PgProxy %s: %w", p.Name, err)
	}
	err = renew(agents, now, func() (protocol.KeyPair, error) { return authority.IssueServer(p.Name, p.Namespace) })
	if err != nil {
		return identity{}, fmt.Errorf("certificates of PgProxy %s: %w", p.Name, err)
	}
	set(agents, keyAuthority, authority.Pair.Certificate)
	set(agents, keyRegisterUser, []byte(agentRole))
	if len(agents.Data[keyRegisterPassword]) == 0 {
		password, err := randomPassword()
		if err != nil {
			return identity{}, err
		}
		set(agents, keyRegisterPassword, password)
	}
	for _, secret := range []*corev1.Secret{own, agents} {
		if err := r.save(ctx, secret); err != nil {
			return identity{}, err
		}
	}
	config, err := protocol.ClientTLS(own.Data[keyAuthority], protocol.KeyPair{Certificate: own.Data[keyCertificate], Key: own.Data[keyPrivate]}, p.Name, p.Namespace)
	if err != nil {
		return identity{}, fmt.Errorf("certificates of PgProxy %s: %w", p.Name, err)
	}
	return identity{tls: config, password: postgres.Password(agents.Data[keyRegisterPassword])}, nil
}

// ownSecret reads a Secret of the proxy, or begins one that it owns.
func (r *ProxyReconciler) ownSecret(ctx context.Context, p *v1alpha1.PgProxy, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := r.Uncached.Get(ctx, types.NamespacedName{Namespace: p.Namespace, Name: name}, secret)
	if err == nil {
		if !metav1.IsControlledBy(secret, p) {
			return nil, &outcome.ReasonError{Reason: v1alpha1.ReasonSecretInvalid, Stalled: true,
				Text: fmt.Sprintf("Secret %s/%s is not Gitover's; rename it, or remove it if an earlier PgProxy left it", p.Namespace, name)}
		}
		return secret, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("read Secret %s/%s: %w", p.Namespace, name, err)
	}
	secret.ObjectMeta = metav1.ObjectMeta{Namespace: p.Namespace, Name: name}
	secret.Type = corev1.SecretTypeOpaque
	// the deletion of the proxy need not wait for the Secret; asking for that takes a right of its own
	if err := controllerutil.SetControllerReference(p, secret, r.Scheme(), controllerutil.WithBlockOwnerDeletion(false)); err != nil {
		return nil, fmt.Errorf("own Secret %s/%s: %w", p.Namespace, name, err)
	}
	return secret, nil
}

// authorityOf makes the proxy's authority, and another in the last third of its life. Both are
// trusted then: what the old one issued stays good until it is renewed.
func authorityOf(own *corev1.Secret, p *v1alpha1.PgProxy, now time.Time) (*protocol.Authority, error) {
	pair := protocol.KeyPair{Certificate: own.Data[keyAuthority], Key: own.Data[keyAuthorityKey]}
	if len(pair.Key) > 0 && !protocol.NeedsRenewal(pair, now) {
		return protocol.LoadAuthority(pair)
	}
	authority, err := protocol.NewAuthority(p.Name, p.Namespace)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(pair.Certificate); block != nil {
		authority.Pair.Certificate = append(authority.Pair.Certificate, pem.EncodeToMemory(block)...)
	}
	set(own, keyAuthority, authority.Pair.Certificate)
	set(own, keyAuthorityKey, authority.Pair.Key)
	return authority, nil
}

func renew(secret *corev1.Secret, now time.Time, issue func() (protocol.KeyPair, error)) error {
	have := protocol.KeyPair{Certificate: secret.Data[keyCertificate], Key: secret.Data[keyPrivate]}
	if !protocol.NeedsRenewal(have, now) {
		return nil
	}
	pair, err := issue()
	if err != nil {
		return err
	}
	set(secret, keyCertificate, pair.Certificate)
	set(secret, keyPrivate, pair.Key)
	return nil
}

// changed marks a Secret in memory that differs from the one stored.
const changed = "gitover.dev/changed"

func set(secret *corev1.Secret, key string, value []byte) {
	if string(secret.Data[key]) == string(value) {
		return
	}
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	secret.Data[key] = value
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	secret.Annotations[changed] = "true"
}

func (r *ProxyReconciler) save(ctx context.Context, secret *corev1.Secret) error {
	if secret.Annotations[changed] == "" {
		return nil
	}
	delete(secret.Annotations, changed)
	write := func() error { return r.Update(ctx, secret, client.FieldOwner(v1alpha1.FieldManager)) }
	if secret.ResourceVersion == "" {
		write = func() error { return r.Create(ctx, secret, client.FieldOwner(v1alpha1.FieldManager)) }
	}
	if err := write(); err != nil {
		return fmt.Errorf("write Secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	return nil
}

func randomPassword() ([]byte, error) {
	raw := make([]byte, 24)
	if _, err := rand.Read(raw); err != nil {
		return nil, fmt.Errorf("make a password: %w", err)
	}
	return []byte(base64.RawURLEncoding.EncodeToString(raw)), nil
}

// registerPassword is the agents' password for the decision register.
func registerPassword(ctx context.Context, c client.Reader, p *v1alpha1.PgProxy) (postgres.Password, error) {
	secret, err := access.SecretOf(ctx, c, p.Namespace, agentSecretName(p))
	if err != nil {
		return "", err
	}
	password, err := access.KeyOf(secret, keyRegisterPassword)
	return postgres.Password(password), err
}
