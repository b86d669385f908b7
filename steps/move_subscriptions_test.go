package steps

import (
	"strings"
	"testing"
)

// TestASubscriptionThatCanNotMoveIsNamedBeforeTheCutoverCommit: afterwards it would keep every switch waiting.
func TestASubscriptionThatCanNotMoveIsNamedBeforeTheCutoverCommit(t *testing.T) {
	p := newPair(t, 15, 17)
	p.blue.Exec("d", "CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false, slot_name = 'feed')")
	p.blue.Exec("d", "ALTER SUBSCRIPTION feed ENABLE")
	p.done(CopyData)
	p.done(CatchUp)
	p.run.Upgrade.Spec.OtherSubscriptions = "Move"
	p.until(Approve, "the publisher is out of reach", func(v Verdict) bool {
		return !v.Done && strings.Contains(v.Message, `database "d": subscription "feed" can't be moved: could not connect to the publisher`)
	})
	p.blue.Exec("d", "ALTER SUBSCRIPTION feed DISABLE")
	p.done(Approve)
}
