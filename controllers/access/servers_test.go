package access

import (
	"testing"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/controllers/outcome"
)

func TestAnInstanceAnswersAtItsService(t *testing.T) {
	upgrade := &v1alpha1.PgUpgrade{}
	upgrade.Name, upgrade.Namespace = "orders", "shop"
	upgrade.Spec.Connection.Port = 5433
	upgrade.Spec.Adopt = &v1alpha1.AdoptSpec{Name: "legacy", Version: "13", Service: "db"}
	for instance, want := range map[string]string{"orders-17": "orders-17.shop.svc", "legacy": "db.shop.svc"} {
		got, err := EndpointOf(upgrade, instance)
		if err != nil || got.Host != want || got.Port != 5433 {
			t.Errorf("EndpointOf(%s) = %+v, %v; want %s", instance, got, err, want)
		}
	}
	for service, want := range map[string]string{
		"": "orders-17.shop.svc", "db": "db-17.shop.svc", "orders-{version}-rw": "orders-17-rw.shop.svc", "db-{version}": "db-17.shop.svc",
	} {
		upgrade.Spec.Instance.Service = service
		if got, err := EndpointOf(upgrade, "orders-17"); err != nil || got.Host != want {
			t.Errorf("Service %q leads to %+v, %v; want %s", service, got, err, want)
		}
	}
	for _, stranger := range []string{"orders-12", "other-17", "orders", "postgres.example.org"} {
		if _, err := EndpointOf(upgrade, stranger); outcome.ReasonOf(err, "").Reason != v1alpha1.ReasonUnknownTarget {
			t.Errorf("EndpointOf(%s) = %v, want it refused", stranger, err)
		}
	}
}

func TestAnInstanceHasASecretOfItsOwnWhereTheNameSaysSo(t *testing.T) {
	upgrade := &v1alpha1.PgUpgrade{}
	upgrade.Name = "orders"
	upgrade.Spec.Adopt = &v1alpha1.AdoptSpec{Name: "legacy", Version: "13", Service: "db"}
	for name, want := range map[string][2]string{
		"superuser":                         {"superuser", "superuser"},
		"{instance}-pguser-postgres":        {"orders-17-pguser-postgres", "legacy-pguser-postgres"},
		"postgres.db-{version}.credentials": {"postgres.db-17.credentials", "postgres.db-13.credentials"},
		"{instance}":                        {"orders-17", "legacy"},
	} {
		upgrade.Spec.Connection.SecretRef.Name = name
		if got := [2]string{SecretNameOf(upgrade, "orders-17"), SecretNameOf(upgrade, "legacy")}; got != want {
			t.Errorf("%s names %q, want %q", name, got, want)
		}
	}
	upgrade.Spec.Adopt.SecretRef = &v1alpha1.SecretReference{Name: "theirs"}
	if got := SecretNameOf(upgrade, "legacy"); got != "theirs" {
		t.Errorf("the adopted server's own Secret is %q", got)
	}
}
