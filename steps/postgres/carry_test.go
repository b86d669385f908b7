package postgres_test

import (
	"testing"

	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/steps/postgres/transfer"
	"github.com/gitover/gitover/test/pg"
)

// TestWhatASwitchCopiesOrMovesNoLongerBlocks: the preflight says what is done about it instead.
func TestWhatASwitchCopiesOrMovesNoLongerBlocks(t *testing.T) {
	s := pg.Start(t, 15, pg.Logical)
	s.Exec("", "CREATE DATABASE d")
	s.Exec("d", "CREATE UNLOGGED TABLE cart (id int PRIMARY KEY); SELECT lo_from_bytea(1, 'one')")
	s.Exec("d", "CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false, slot_name = 'feed')")
	s.Exec("d", "ALTER SUBSCRIPTION feed ENABLE")
	ask := func(r preflight.Request) map[string]preflight.Finding {
		findings, err := preflight.Check(t.Context(), s.Server, r)
		must(t, err)
		byName := map[string]preflight.Finding{}
		for _, f := range findings {
			byName[f.Name] = f
		}
		return byName
	}
	plain := request(17, "d")
	helped := plain
	helped.Carry, helped.MoveSubscriptions = transfer.Carry{LargeObjects: true, UnloggedTables: true}, true
	before, after := ask(plain), ask(helped)
	for trouble, instead := range map[string]string{
		"large_objects": "carried_large_objects", "unlogged_tables": "carried_unlogged", "enabled_subscriptions": "moved_subscriptions", "other_subscriptions": "moved_subscriptions",
	} {
		if before[trouble].Name == "" || before[instead].Name != "" {
			t.Errorf("without help: %+v, %+v", before[trouble], before[instead])
		}
		if after[trouble].Name != "" || after[instead].Severity != preflight.Info {
			t.Errorf("with help: %+v, %+v", after[trouble], after[instead])
		}
	}
	other := helped
	other.Databases = nil
	if f := ask(other)["enabled_subscriptions"]; !f.Blocks() {
		t.Errorf("in a database that isn't part of the upgrade: %+v", f)
	}
}
