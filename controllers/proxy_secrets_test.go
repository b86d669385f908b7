package controllers

import (
	"bytes"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/agent/protocol"
)

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
