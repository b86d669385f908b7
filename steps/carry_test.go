package steps

import "testing"

// TestLargeObjectsAreCopiedWhenRowsAreVerified, and before any switch: there may be millions.
func TestLargeObjectsAreCopiedWhenRowsAreVerified(t *testing.T) {
	p := newPair(t, 15, 17)
	p.run.Status.Verification = nil
	p.run.Upgrade.Spec.CopyInSwitch = []string{"LargeObjects"}
	p.blue.Exec("d", "SELECT lo_from_bytea(4711, 'kept')")
	p.done(CopyData)
	p.done(CatchUp)
	p.done(Verify)
	if got := p.green.Query("d", "SELECT convert_from(lo_get(4711), 'UTF8')"); got != "kept" {
		t.Errorf("the large object is %q", got)
	}
	p.done(Approve)
}
