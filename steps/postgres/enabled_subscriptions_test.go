package postgres_test

import (
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/test/pg"
)

func TestAnEnabledSubscriptionOfOthersBlocksUntilItIsDisabled(t *testing.T) {
	s := pg.Start(t, 15, pg.Logical)
	s.Exec("", "CREATE DATABASE d")
	s.Exec("d", `CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false, slot_name = 'feed')`)
	s.Exec("d", `CREATE SUBSCRIPTION `+names.Subscription("d", "blue")+` CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false)`)
	blocked := func() []preflight.Finding {
		findings, err := preflight.Check(t.Context(), s.Server, request(17, "d"))
		must(t, err)
		found(t, findings, "other_subscriptions", "feed")
		return blocking(findings)
	}
	if b := blocked(); len(b) > 0 {
		t.Errorf("disabled: %s", list(b))
	}
	s.Exec("d", "ALTER SUBSCRIPTION feed ENABLE")
	s.Exec("d", "ALTER SUBSCRIPTION "+names.Subscription("d", "blue")+" SET (slot_name = 'own'); ALTER SUBSCRIPTION "+names.Subscription("d", "blue")+" ENABLE")
	if b := blocked(); len(b) != 1 || !strings.Contains(found(t, b, "enabled_subscriptions", "feed").Fix, "In database d: ALTER SUBSCRIPTION feed DISABLE;") {
		t.Errorf("enabled: %s", list(b))
	}
	s.Exec("d", "ALTER SUBSCRIPTION feed DISABLE")
	if b := blocked(); len(b) > 0 {
		t.Errorf("disabled again: %s", list(b))
	}
}
