package controllers

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/runtime/conditions"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/access"
	"github.com/gitover/gitover/controllers/outcome"
	"github.com/gitover/gitover/steps"
	"github.com/gitover/gitover/steps/agent/protocol"
	"github.com/gitover/gitover/steps/postgres"
)

func TestEachInstanceIsAskedWithTheSecretThatItsOperatorMade(t *testing.T) {
	w := aTeam(t)
	for name, accepted := range map[string]bool{
		"superuser": true, "{instance}-pguser-postgres": true, "postgres.{instance}.credentials.postgresql.acid.zalan.do": true, "db-{version}": true, "{instance}": true,
		"{upgrade}-pguser": false, "{instance": false, "instance}": false, "../{instance}": false, "-{instance}": false, "{instance}.": false, "{INSTANCE}": false, "Superuser": false,
	} {
		u := w.upgrade("orders")
		u.Spec.Connection.SecretRef.Name = name
		err := w.Create(t.Context(), u)
		if accepted != (err == nil) || err != nil && !strings.Contains(err.Error(), "must be the name of a Secret, in which only {instance} and {version} are replaced") {
			t.Errorf("a Secret called %q: %v", name, err)
		}
		if err == nil {
			w.must(w.Delete(t.Context(), u))
		}
	}

	u := w.upgrade("orders")
	u.Spec.Connection.SecretRef.Name, u.Spec.Connection.UsernameKey = "{instance}-pguser-postgres", "user"
	w.create(u)
	secret := func(instance, password string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: instance + "-pguser-postgres"},
			Data: map[string][]byte{"user": []byte("postgres"), "password": []byte(password)}}
	}
	blue := secret("orders-15", "blue's")
	w.create(blue)
	w.create(secret("orders-17", "green's"))
	for instance, password := range map[string]string{"orders-15": "blue's", "orders-17": "green's"} {
		server, err := access.ServerOf(t.Context(), w.Client, u, instance)
		w.must(err)
		if string(server.Password) != password || server.User != "postgres" {
			t.Errorf("%s is asked as %s with another's password", instance, server.User)
		}
	}

	_, err := access.ServerOf(t.Context(), w.Client, u, "orders-16")
	if known := outcome.ReasonOf(err, ""); known.Reason != v1alpha1.ReasonSecretNotFound || known.Stalled || !postgres.Unreachable(err) {
		t.Errorf("an instance that its operator hasn't made yet: %+v: %v", known, err)
	}

	// the operator deletes the Secret with its cluster
	p := &v1alpha1.PgProxy{Status: v1alpha1.PgProxyStatus{Active: "orders-17"}}
	u.Status = v1alpha1.PgUpgradeStatus{Workflow: steps.Upgrade, Step: steps.Soak, From: "orders-15", To: "orders-17"}
	w.must(w.Delete(t.Context(), blue))
	r := &ProxyReconciler{Client: w.Client, Uncached: w.Client}
	w.must(r.rollbackPath(t.Context(), &proxyScope{proxy: p, upgrade: u}))
	if reason, says := conditions.GetReason(p, v1alpha1.RollbackReadyCondition), conditions.GetMessage(p, v1alpha1.RollbackReadyCondition); reason != v1alpha1.ReasonSecretNotFound || !strings.Contains(says, "orders-15-pguser-postgres does not exist") {
		t.Errorf("RollbackReady: %s: %s", reason, says)
	}
}

// TestAnAuthorityIsFollowedByAnotherBeforeItEnds turns the clock forward.
func TestAnAuthorityIsFollowedByAnotherBeforeItEnds(t *testing.T) {
	p := &v1alpha1.PgProxy{}
	p.Name, p.Namespace = "orders", "shop"
	secret := &corev1.Secret{}
	at := func(years int) *protocol.Authority {
		t.Helper()
		authority, err := authorityOf(secret, p, time.Now().AddDate(years, 0, 0))
		if err != nil {
			t.Fatal(err)
		}
		return authority
	}
	first := at(0).Pair
	if again := at(6).Pair; !bytes.Equal(again.Key, first.Key) || !bytes.Equal(again.Certificate, first.Certificate) {
		t.Fatal("an authority that is good was replaced")
	}
	second := at(7).Pair
	if bytes.Equal(second.Key, first.Key) || !bytes.HasSuffix(second.Certificate, first.Certificate) || bytes.Count(second.Certificate, []byte("BEGIN CERTIFICATE")) != 2 {
		t.Fatalf("in its last third another takes over, and both are trusted:\n%s", second.Certificate)
	}
	issued, err := at(0).IssueClient()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := protocol.ClientTLS(secret.Data[keyAuthority], issued, p.Name, p.Namespace); err != nil {
		t.Errorf("what the second one issues can't be used: %v", err)
	}
	if secret.Annotations[changed] == "" {
		t.Error("the new authority would not be stored")
	}
}
