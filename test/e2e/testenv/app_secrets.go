package testenv

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// createSecrets makes what is not in Git, as examples/README.md tells people to.
func (a *App) createSecrets(ctx context.Context) error {
	git := map[string]string{"username": a.Git.Username, "password": a.Git.Password}
	secrets := map[string]map[string]string{
		"fleet-read":          git,
		"fleet-push":          git,
		"orders-superuser":    a.SuperuserSecret(),
		"orders-app":          a.ApplicationSecret(),
		"orders-pooler-users": {"userlist.txt": fmt.Sprintf("%q %q\n", AppRole, a.poolerSecret)},
	}
	for name, data := range secrets {
		if err := a.SetSecret(ctx, name, data); err != nil {
			return err
		}
	}
	return nil
}

// SuperuserSecret is what Gitover logs in with.
func (a *App) SuperuserSecret() map[string]string {
	return map[string]string{"username": "postgres", "password": a.superuser}
}

// ApplicationSecret is what applications log in with.
func (a *App) ApplicationSecret() map[string]string {
	return map[string]string{"username": AppRole, "password": a.application}
}

// DeleteSecret of the app's namespace.
func (a *App) DeleteSecret(ctx context.Context, name string) error {
	return a.Client.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: name}})
}

// SetSecret creates or replaces a Secret of the app's namespace.
func (a *App) SetSecret(ctx context.Context, name string, data map[string]string) error {
	object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: name}, StringData: data}
	err := a.Client.Create(ctx, object)
	if client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("secret %s/%s: %w", a.Namespace, name, err)
	}
	if err == nil {
		return nil
	}
	var there corev1.Secret
	if err := a.Client.Get(ctx, client.ObjectKeyFromObject(object), &there); err != nil {
		return err
	}
	there.Data, there.StringData = nil, data
	return a.Client.Update(ctx, &there)
}
