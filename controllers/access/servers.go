package access

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/postgres"
)

// EndpointOf an instance: its Service's DNS name, or what spec.adopt says.
func EndpointOf(upgrade *v1alpha1.PgUpgrade, instance string) (v1alpha1.Endpoint, error) {
	port := upgrade.Spec.Connection.Port
	if port == 0 {
		port = 5432
	}
	if a := upgrade.Spec.Adopt; a != nil && a.Name == instance {
		if a.Port != 0 {
			port = a.Port
		}
		if a.Host != "" {
			return v1alpha1.Endpoint{Host: a.Host, Port: port}, nil
		}
		return v1alpha1.Endpoint{Host: a.Service + "." + upgrade.Namespace + ".svc", Port: port}, nil
	}
	version := steps.VersionOf(upgrade.Name, nil, instance)
	if version == "" {
		return v1alpha1.Endpoint{}, &outcome.ReasonError{Reason: v1alpha1.ReasonUnknownTarget, Stalled: true,
			Text: fmt.Sprintf("%q is no instance of PgUpgrade %s; instances are called %s-<version>", instance, upgrade.Name, upgrade.Name)}
	}
	return v1alpha1.Endpoint{Host: serviceOf(upgrade, version) + "." + upgrade.Namespace + ".svc", Port: port}, nil
}

// serviceOf an instance is the Service that leads to the server that takes writes.
func serviceOf(upgrade *v1alpha1.PgUpgrade, version string) string {
	service := cmp.Or(upgrade.Spec.Instance.Service, upgrade.Name)
	if strings.Contains(service, "{version}") {
		return strings.ReplaceAll(service, "{version}", version)
	}
	return service + "-" + version
}

// ServerOf returns the address of an instance with the credentials of its Secret, which is
// read again so that a rotated password is found.
func ServerOf(ctx context.Context, c client.Reader, upgrade *v1alpha1.PgUpgrade, instance string) (postgres.Server, error) {
	endpoint, err := EndpointOf(upgrade, instance)
	if err != nil {
		return postgres.Server{}, err
	}
	spec := upgrade.Spec.Connection
	secret, err := SecretOf(ctx, c, upgrade.Namespace, SecretNameOf(upgrade, instance))
	if missing := (*outcome.ReasonError)(nil); errors.As(err, &missing) && hasOwnSecret(upgrade, instance) {
		missing.Stalled, missing.Err = false, postgres.ErrNoSecret
		missing.Text += ", or wait until the operator has made it with the instance"
	}
	if err != nil {
		return postgres.Server{}, err
	}
	user, err := KeyOf(secret, cmp.Or(spec.UsernameKey, "username"))
	if err != nil {
		return postgres.Server{}, err
	}
	password, err := KeyOf(secret, cmp.Or(spec.PasswordKey, "password"))
	if err != nil {
		return postgres.Server{}, err
	}
	mode := cmp.Or(spec.SSLMode, "prefer")
	ca := secret.Data["ca.crt"]
	if strings.HasPrefix(mode, "verify-") && len(ca) == 0 {
		_, err := KeyOf(secret, "ca.crt")
		return postgres.Server{}, err
	}
	return postgres.Server{
		Instance: instance, Host: endpoint.Host, Port: int(endpoint.Port),
		User: user, Password: postgres.Password(password), Secret: secret.Namespace + "/" + secret.Name,
		MaintenanceDatabase: cmp.Or(spec.Database, "postgres"), SSLMode: mode, CA: ca, RootCert: spec.SSLRootCert,
		ManagedPasswords: upgrade.Spec.Instance.ManagedPasswords,
	}, nil
}

// SecretNameOf is the Secret with an instance's credentials: its own if the name in the spec has a place for the instance.
func SecretNameOf(upgrade *v1alpha1.PgUpgrade, instance string) string {
	if a := upgrade.Spec.Adopt; a != nil && a.Name == instance && a.SecretRef != nil {
		return a.SecretRef.Name
	}
	version := steps.VersionOf(upgrade.Name, upgrade.Spec.Adopt, instance)
	return strings.NewReplacer("{instance}", instance, "{version}", version).Replace(upgrade.Spec.Connection.SecretRef.Name)
}

// hasOwnSecret: the instance's Secret comes and goes with it.
func hasOwnSecret(upgrade *v1alpha1.PgUpgrade, instance string) bool {
	return SecretNameOf(upgrade, instance) != SecretNameOf(upgrade, "") && (upgrade.Spec.Adopt == nil || upgrade.Spec.Adopt.Name != instance)
}

// SecretOf a namespace. A missing Secret, which a human must create, has a reason of its own; other errors are worth
// a retry.
func SecretOf(ctx context.Context, c client.Reader, namespace, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := c.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, &outcome.ReasonError{Reason: v1alpha1.ReasonSecretNotFound, Stalled: true,
			Text: fmt.Sprintf("Secret %s/%s does not exist; create it", namespace, name)}
	}
	if err != nil {
		return nil, fmt.Errorf("read Secret %s/%s: %w", namespace, name, err)
	}
	return secret, nil
}

// KeyOf a Secret is its value; an empty one is refused as one that is missing.
func KeyOf(secret *corev1.Secret, key string) (string, error) {
	value := string(secret.Data[key])
	if value == "" {
		return "", &outcome.ReasonError{Reason: v1alpha1.ReasonSecretInvalid, Stalled: true,
			Text: fmt.Sprintf("Secret %s/%s has no key %q; add it", secret.Namespace, secret.Name, key)}
	}
	return value, nil
}
