package steps

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/gitover/gitover/api/v1alpha1"
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

// FuzzWindow holds inWindow against its definition: the time since some day's start is
// shorter than the window is long.
func FuzzWindow(f *testing.F) {
	f.Add(uint16(22*60), uint16(4*60), uint8(0b0100000), int64(1_700_000_000))
	f.Add(uint16(0), uint16(0), uint8(0), int64(0))
	f.Add(uint16(9*60), uint16(17*60), uint8(0b0011111), int64(1_700_006_400))
	weekdays := []v1alpha1.Weekday{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
	f.Fuzz(func(t *testing.T, start, end uint16, days uint8, unix int64) {
		start, end = start%1440, end%1440
		now := time.Unix(unix%(1<<33), 0).UTC()
		clock := func(minute uint16) string {
			return time.Date(2000, 1, 1, 0, int(minute), 0, 0, time.UTC).Format("15:04")
		}
		w := v1alpha1.Window{Start: clock(start), End: clock(end)}
		for i, day := range weekdays {
			if days>>i&1 == 1 {
				w.Days = append(w.Days, day)
			}
		}
		length := time.Duration(end-start) * time.Minute
		if end <= start {
			length = time.Duration(1440+int(end)-int(start)) * time.Minute
		}
		want := false
		for back := range 2 {
			midnight := time.Date(now.Year(), now.Month(), now.Day()-back, 0, 0, 0, 0, time.UTC)
			since := now.Sub(midnight.Add(time.Duration(start) * time.Minute))
			want = want || onDay(w.Days, midnight.Weekday()) && since >= 0 && since < length
		}
		if got := inWindow([]v1alpha1.Window{w}, now); got != want {
			t.Fatalf("%s in %s: %t", now.Format("Mon 15:04:05"), windowText([]v1alpha1.Window{w}), got)
		}
	})
}

// FuzzUpgrade: whatever object the API server might hand out, reading its spec ends well
// and nothing in it is lost when it is written and read again.
func FuzzUpgrade(f *testing.F) {
	f.Add([]byte(`{"metadata":{"name":"orders"},"spec":{"version":"17","limits":{"lag":"1Mi","lagStableFor":"5s"},"soak":{"duration":"24h"},"cutover":{"windows":[{"days":["Sat"],"start":"22:00","end":"04:00"}]}}}`))
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
		inWindow(spec.Cutover.Windows, time.Unix(0, 0))
		for _, text := range []string{oneLine(windowText(spec.Cutover.Windows)), VersionOf(upgrade.Name, spec.Adopt, upgrade.Status.To)} {
			if !utf8.ValidString(text) {
				t.Fatalf("%q fits no status", text)
			}
		}
	})
}
