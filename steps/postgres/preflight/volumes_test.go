package preflight

import (
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/disk"
)

// TestAVolumeThatIsTooSmallIsFoundBeforehand with figures, and may be acknowledged.
func TestAVolumeThatIsTooSmallIsFoundBeforehand(t *testing.T) {
	const gib = 1 << 30
	volume := func(n int64) []disk.Volume { return []disk.Volume{{Claim: "data", Capacity: n * gib, Data: true}} }
	kept := disk.Used{Data: 8 * gib, WAL: gib / 2, MaxWAL: gib}
	for _, c := range []struct {
		name        string
		blue, green []disk.Volume
		want, says  string
	}{
		{"all fits", volume(20), volume(20), "", ""},
		{"nothing is known", nil, nil, "", ""},
		{"it doesn't fit", nil, volume(7), "small_volume", "data holds 7.0 GiB, and the old instance keeps 8.0 GiB"},
		{"it hardly fits", volume(20), volume(9), "tight_volume", "data holds 9.0 GiB"},
		{"blue has no room for WAL", volume(9), volume(20), "blue_volume", "512.0 MiB of 9.0 GiB free on volume data"},
		{"nothing limits blue's", volume(7), volume(7), "", ""},
	} {
		found := Volumes(c.blue, c.green, kept, Request{Acknowledged: []string{"small_volume"}})
		var names, says []string
		for _, f := range found {
			if f.Blocks() {
				t.Errorf("%s: it blocks though it is acknowledged", c.name)
			}
			names, says = append(names, f.Name), append(says, f.Why)
		}
		if strings.Join(names, " ") != c.want || !strings.Contains(strings.Join(says, " "), c.says) {
			t.Errorf("%s: %v %v", c.name, names, says)
		}
	}
	if found := Volumes(nil, volume(7), kept, Request{}); len(found) != 1 || !found[0].Blocks() {
		t.Errorf("it doesn't block: %+v", found)
	}
}
