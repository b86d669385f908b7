package provision

import "testing"

func TestSizesOfClaimsAreReadInBytes(t *testing.T) {
	for quantity, want := range map[string]int64{"256Mi": 256 << 20, "1Gi": 1 << 30, "5M": 5_000_000, "4096": 4096} {
		if got, err := parseQuantity(quantity); err != nil || got != want {
			t.Errorf("%s: %d, %v; not %d", quantity, got, err, want)
		}
	}
	for _, quantity := range []string{"", "Gi", "-1Gi", "1.5Gi", "all"} {
		if got, err := parseQuantity(quantity); err == nil {
			t.Errorf("%q was read as %d", quantity, got)
		}
	}
}
