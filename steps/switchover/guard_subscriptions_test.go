package switchover_test

import (
	"testing"

	"github.com/gitover/gitover/steps/switchover"
)

func TestAnEnabledSubscriptionOfOthersIsInTheWayOfASwitch(t *testing.T) {
	s := newStage(t, 15, 17)
	s.awaitGuard()
	active := s.servers[s.active]
	active.Exec("stock", `CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p WITH (connect = false, slot_name = 'feed')`)
	s.awaitGuard()
	active.Exec("stock", "ALTER SUBSCRIPTION feed ENABLE")
	s.named(s.obstacles(), switchover.OtherSubscription, "subscription feed", "In database stock: ALTER SUBSCRIPTION feed DISABLE;")
	active.Exec("stock", "ALTER SUBSCRIPTION feed DISABLE")
	s.awaitGuard()
}
