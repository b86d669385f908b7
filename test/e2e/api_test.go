package e2e

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/e2e/testenv"
)

// The API server itself refuses what can't be meant, with words that say what to do. Asked
// of the real one, without storing anything.
func TestTheAPIServerRefusesWhatCannotBeMeant(t *testing.T) {
	w, err := testenv.New(stage, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	stories := []struct {
		story  string
		object func() client.Object
		says   string // empty: accepted
	}{
		{"the example is accepted", func() client.Object { return anUpgrade(nil) }, ""},
		{"a version that isn't a major", func() client.Object {
			return anUpgrade(func(s *v1alpha1.PgUpgradeSpec) { s.Version = "17.2" })
		}, "supported PostgreSQL major version: 13, 14, 15, 16, 17, 18 or 19"},
		{"a version below the supported ones", func() client.Object {
			return anUpgrade(func(s *v1alpha1.PgUpgradeSpec) { s.Version = "12" })
		}, "supported PostgreSQL major version"},
		{"a version said twice", func() client.Object {
			return anUpgrade(func(s *v1alpha1.PgUpgradeSpec) {
				s.VersionFrom = &v1alpha1.VersionFrom{Path: "values.yaml", Field: "tag"}
			})
		}, "exactly one of version and versionFrom"},
		{"no version at all", func() client.Object {
			return anUpgrade(func(s *v1alpha1.PgUpgradeSpec) { s.Version = "" })
		}, "exactly one of version and versionFrom"},
		{"a version read from outside the repository", func() client.Object {
			return anUpgrade(func(s *v1alpha1.PgUpgradeSpec) {
				s.Version, s.VersionFrom = "", &v1alpha1.VersionFrom{Path: "../secrets.yaml", Field: "tag"}
			})
		}, "inside the repository"},
		{"a directory outside the repository", func() client.Object {
			return anUpgrade(func(s *v1alpha1.PgUpgradeSpec) { s.Git.Path = "/etc" })
		}, "inside the repository"},
		{"a base outside the directory", func() client.Object {
			return anUpgrade(func(s *v1alpha1.PgUpgradeSpec) { s.Instance.Base = "../other" })
		}, "below git.path"},
		{"an adopted server that is reached twice", func() client.Object {
			return anUpgrade(func(s *v1alpha1.PgUpgradeSpec) {
				s.Adopt = &v1alpha1.AdoptSpec{Name: "legacy", Version: "15", Host: "db", Service: "db"}
			})
		}, "exactly one of adopt.host and adopt.service"},
		{"a window that isn't a time", func() client.Object {
			return anUpgrade(func(s *v1alpha1.PgUpgradeSpec) {
				s.Cutover.Windows = []v1alpha1.Window{{Start: "25:00", End: "04:00"}}
			})
		}, "windows"},
		{"an approval that isn't one", func() client.Object {
			return anUpgrade(func(s *v1alpha1.PgUpgradeSpec) { s.Cutover.Approval = "Maybe" })
		}, "Automatic"},
		{"a name too long for its instances", func() client.Object {
			u := anUpgrade(nil)
			u.SetName(strings.Repeat("o", 41))
			return u
		}, "at most 40 characters"},
		{"a proxy without a target", func() client.Object { return aProxy(func(s *v1alpha1.PgProxySpec) { s.Target = "" }) }, "target"},
		{"a target that can't be a name", func() client.Object {
			return aProxy(func(s *v1alpha1.PgProxySpec) { s.Target = "Orders 17; DROP" })
		}, "target"},
		{"a hold that is too long", func() client.Object {
			return aProxy(func(s *v1alpha1.PgProxySpec) { s.Switch.HoldLimit = &metav1.Duration{Duration: 5 * 60e9} })
		}, "between 2s and 60s"},
		{"a pooler of an unknown type", func() client.Object {
			return aProxy(func(s *v1alpha1.PgProxySpec) { s.Pooler.Type = "Odyssey" })
		}, "PgBouncer"},
	}
	for _, s := range stories {
		t.Run(s.story, func(t *testing.T) {
			err := w.Client.Create(t.Context(), s.object(), client.DryRunAll)
			switch {
			case s.says == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case s.says != "" && err == nil:
				t.Fatalf("accepted; want a refusal that says %q", s.says)
			case s.says != "" && !strings.Contains(err.Error(), s.says):
				t.Fatalf("refused with %v, want words that say %q", err, s.says)
			}
		})
	}
}

func anUpgrade(change func(*v1alpha1.PgUpgradeSpec)) client.Object {
	u := &v1alpha1.PgUpgrade{ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: "default"}}
	u.Spec = v1alpha1.PgUpgradeSpec{
		Version: "15", ProxyRef: v1alpha1.LocalReference{Name: "orders"},
		Git:        v1alpha1.GitSpec{SourceRef: v1alpha1.ObjectReference{Name: "fleet"}, KustomizationRef: v1alpha1.ObjectReference{Name: "orders"}, Path: "apps/orders"},
		Connection: v1alpha1.ConnectionSpec{SecretRef: v1alpha1.InstanceSecretReference{Name: "orders-superuser"}},
	}
	if change != nil {
		change(&u.Spec)
	}
	return u
}

func aProxy(change func(*v1alpha1.PgProxySpec)) client.Object {
	p := &v1alpha1.PgProxy{ObjectMeta: metav1.ObjectMeta{Name: "orders", Namespace: "default"}}
	p.Spec = v1alpha1.PgProxySpec{Target: "orders-15", UpgradeRef: v1alpha1.LocalReference{Name: "orders"},
		Pooler: v1alpha1.PoolerSpec{Selector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "pooler"}}}}
	change(&p.Spec)
	return p
}
