package switchover_test

import (
	"testing"
	"time"

	"github.com/gitover/gitover/steps/switchover"
)

const views = `
CREATE MATERIALIZED VIEW base AS SELECT count(*) AS n FROM ledger;
CREATE VIEW between AS SELECT n FROM base;
CREATE MATERIALIZED VIEW a_top AS SELECT n AS m FROM between;
CREATE MATERIALIZED VIEW hollow AS SELECT 1 AS one WITH NO DATA;
GRANT SELECT ON base, between, a_top TO app`

// TestMaterializedViewsAreNotOlderAfterASwitch than what clients saw before, forth and back.
func TestMaterializedViewsAreNotOlderAfterASwitch(t *testing.T) {
	s := newStage(t, 15, 17)
	s.onBothSides(views)
	for switches := range 2 {
		serving := s.servers[s.active]
		serving.Exec("orders", "INSERT INTO ledger (client, n) SELECT 7, "+[]string{"", "100 + "}[switches]+"generate_series(1, 25)")
		serving.Exec("orders", "REFRESH MATERIALIZED VIEW base; REFRESH MATERIALIZED VIEW a_top")
		const look = "SELECT (SELECT n FROM base) || ' ' || (SELECT m FROM a_top) || ' ' || (SELECT relispopulated FROM pg_class WHERE relname = 'hollow')"
		seen := serving.Query("orders", look)
		s.move()
		if now := s.servers[s.active].Query("orders", look); now != seen {
			t.Errorf("switch %d: clients read %q, and then %q", switches+1, seen, now)
		}
		if switches == 0 { // what is populated later follows, too, and what isn't any more
			s.servers[s.active].Exec("orders", "REFRESH MATERIALIZED VIEW hollow")
		}
	}
	s.servers[s.active].Exec("orders", "REFRESH MATERIALIZED VIEW hollow WITH NO DATA")
	s.move()
	if populated := s.servers[s.active].Query("orders", "SELECT relispopulated FROM pg_class WHERE relname = 'hollow'"); populated != "f" {
		t.Error("a view that nobody can read any more can be read")
	}

	s.onBothSides("CREATE MATERIALIZED VIEW slow AS SELECT 1 AS one FROM pg_sleep(1.5)")
	s.limits.Refresh = 300 * time.Millisecond
	s.named(s.obstacles(), switchover.MaterializedViews, "slow", "longer than 300ms")
	s.awaitGuard()
	in := s.input()
	in.Scope.Acknowledged = []string{"materialized_views"}
	_, err := switchover.Switch(t.Context(), in)
	must(t, err)
	s.switched(in)
}
