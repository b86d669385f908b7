package steps

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/gate"
)

func FuzzInstanceName(f *testing.F) {
	f.Add("orders", "17", "orders-17")
	f.Add("orders-13", "18", "legacy")
	f.Add("", "1", "-17")
	f.Fuzz(func(t *testing.T, upgrade, version, name string) {
		want := ""
		if Supported(version) {
			want = version
		}
		if got := VersionOf(upgrade, nil, InstanceName(upgrade, version)); got != want {
			t.Fatalf("version %q of %q is read as %q", version, upgrade, got)
		}
		if got := VersionOf(upgrade, nil, name); got != "" && InstanceName(upgrade, got) != name {
			t.Fatalf("%q is taken for an instance of %q", name, upgrade)
		}
		adopted := &v1alpha1.AdoptSpec{Name: name, Version: version}
		if got := VersionOf(upgrade, adopted, name); got != version {
			t.Fatalf("the adopted server %q has version %q, not %q", name, got, version)
		}
	})
}

// FuzzUpgrade: whatever object the API server might hand out, reading its spec ends well
// and nothing in it is lost when it is written and read again.
func FuzzUpgrade(f *testing.F) {
	f.Add([]byte(`{"metadata":{"name":"orders"},"spec":{"version":"17","limits":{"lag":"1Mi","lagStableFor":"5s"},"soak":{"duration":"24h"},"cutover":{"windows":[{"days":["Sat"],"start":"22:00","end":"04:00"}]}}}`))
	f.Add([]byte(`{"spec":{"cutover":{"windows":[{"schedule":"* * * * *","duration":"8784h","timeZone":"Europe/Berlin"}]},"freezes":[{"reason":"r","schedule":"0 0 30 2 *","duration":"1h"}]}}`))
	f.Add([]byte(`{"spec":{"version":"","limits":{"lag":"-1","lagStableFor":"-1s"},"adopt":{"name":""},"cutover":{"windows":[{"start":"99:99","end":""}]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var upgrade v1alpha1.PgUpgrade
		if json.Unmarshal(data, &upgrade) != nil {
			return
		}
		kept, err := json.Marshal(&upgrade)
		if err != nil {
			t.Fatal(err)
		}
		var again v1alpha1.PgUpgrade
		if err := json.Unmarshal(kept, &again); err != nil {
			t.Fatalf("%v\n%s", err, kept)
		}
		if second, err := json.Marshal(&again); err != nil || string(second) != string(kept) {
			t.Fatalf("written twice it differs (%v):\n%s\n%s", err, kept, second)
		}
		if copied := upgrade.DeepCopy(); !equality.Semantic.DeepEqual(copied, &upgrade) {
			t.Fatal("a deep copy differs")
		}
		run := &Run{Upgrade: &upgrade}
		_, _ = run.lagStableFor(), run.soak()
		spec := upgrade.Spec
		gate.InWindow(spec.Cutover.Windows, time.Unix(0, 0))
		gate.Frozen(spec.Freezes, time.Unix(0, 0))
		gate.Problems(spec)
		for _, text := range []string{oneLine(gate.Text(spec.Cutover.Windows)), VersionOf(upgrade.Name, spec.Adopt, upgrade.Status.To)} {
			if !utf8.ValidString(text) {
				t.Fatalf("%q fits no status", text)
			}
		}
	})
}
