package steps

import (
	"testing"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
)

func TestTheStandbyThatRowsAreReadOnIsOfTheSideThatServes(t *testing.T) {
	run := &Run{Upgrade: &v1alpha1.PgUpgrade{}}
	run.Upgrade.Name, run.Upgrade.Namespace = "orders", "shop"
	serving := postgres.Server{Instance: "orders-15", Host: "orders-15.shop.svc", Port: 5432}
	if s := run.standbyOf(serving); s != nil {
		t.Errorf("nobody asked for one: %s", s.Address())
	}
	for said, want := range map[string]string{
		"orders-ro-{version}":          "orders-ro-15.shop.svc:5432",
		"{instance}-ro:6432":           "orders-15-ro.shop.svc:6432",
		"{instance}.standbys.internal": "orders-15.standbys.internal:5432",
		"replica.example.com:5433":     "replica.example.com:5433",
	} {
		run.Upgrade.Spec.Limits.VerifyStandby = said
		if s := run.standbyOf(serving); s.Address() != want {
			t.Errorf("%s: %s, want %s", said, s.Address(), want)
		}
	}
}
