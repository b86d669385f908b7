package steps

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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

// TestASoakComparesRowsAsOftenAsGitAsks: what a revert would bring back is known before anybody needs it.
func TestASoakComparesRowsAsOftenAsGitAsks(t *testing.T) {
	p := newPair(t, 17, 15) // the first serves, the second follows
	p.done(CopyData)
	p.done(CatchUp)
	now := time.Now()
	p.run.Now = func() time.Time { return now }
	p.run.Proxy.Status.Active = p.blue.Instance
	p.run.Status.Verification = &v1alpha1.VerificationStatus{At: timestamp(now)}
	soaking := waiting(v1alpha1.ReasonSoakInProgress, "it soaks")
	look := func() *Verdict { return compareInTime(p.run, p.green.Instance, soaking) }
	now = now.Add(24 * time.Hour)
	if v := look(); v != nil {
		t.Errorf("nobody asked for it: %+v", v)
	}
	p.run.Upgrade.Spec.Soak.CompareEvery = &metav1.Duration{Duration: time.Hour}
	compare := func() {
		t.Helper()
		v := look()
		if v == nil || !v.RunNeeded || !v.Slow || v.Reason != v1alpha1.ReasonSoakInProgress || !strings.HasPrefix(v.Message, "it soaks; comparing rows") {
			t.Fatalf("%+v", v)
		}
		if err := v.Effect(t.Context(), p.run); err != nil {
			t.Fatal(err)
		}
	}
	compare()
	if v := look(); v != nil {
		t.Errorf("compared a moment ago: %+v", v)
	}
	p.green.Exec("d", "SET session_replication_role = replica; INSERT INTO first VALUES (99)")
	now = now.Add(59 * time.Minute)
	if v := look(); v != nil {
		t.Errorf("not due: %+v", v)
	}
	now = now.Add(time.Minute)
	compare()
	if v := look(); v == nil || v.Reason != v1alpha1.ReasonVerificationFailed || !strings.Contains(v.Message, "first") {
		t.Fatalf("%+v", v)
	}
	p.green.Exec("d", "SET session_replication_role = replica; DELETE FROM first WHERE id = 99")
	now = now.Add(verifyAgain)
	compare()
	if v := look(); v != nil {
		t.Errorf("equal again: %+v", v)
	}
}
