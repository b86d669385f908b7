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
