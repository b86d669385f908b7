package postgres_test

import (
	"strings"
	"testing"

	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/steps/postgres/preflight"
	"github.com/gitover/gitover/test/pg"
)

// TestASideThatCannotReachTheOtherIsFoundBeforeTheCopy, whichever side it is and whatever keeps it.
func TestASideThatCannotReachTheOtherIsFoundBeforeTheCopy(t *testing.T) {
	somePairs(t, pg.Pairs(pairs[2:4]...), func(t *testing.T, blue, green *pg.Server) {
		connections := func(blue, green postgres.Server) (objects, why string) {
			findings, err := preflight.CheckPair(t.Context(), blue, green, request(18))
			must(t, err)
			for _, f := range findings {
				if f.Name == "connection" {
					objects, why = objects+f.Object+";", why+f.Why+f.Fix
				}
			}
			return objects, why
		}
		if objects, why := connections(blue.Server, green.Server); objects != "" {
			t.Errorf("both reach each other: %s", why)
		}
		green.Exec("", "ALTER SYSTEM SET max_wal_senders = 0")
		green.Kill()
		green.Run()
		objects, why := connections(blue.Server, green.Server)
		if objects != blue.Instance+" to "+green.Instance+";" || !strings.Contains(why, "max_wal_senders") || strings.Contains(why, pg.Password) {
			t.Errorf("%q: %s", objects, why)
		}
		t.Log(why)
		if left := blue.Query("", "SELECT count(*) FROM pg_subscription"); left != "0" {
			t.Errorf("%s subscriptions are left", left)
		}
	})
}
