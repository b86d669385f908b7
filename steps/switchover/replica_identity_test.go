package switchover_test

import (
	"testing"

	"github.com/gitover/gitover/steps/switchover"
)

// TestATableWithoutAKeyIsNoObstacleWhereGitoverMayHelp neither before a cutover nor before a rollback.
func TestATableWithoutAKeyIsNoObstacleWhereGitoverMayHelp(t *testing.T) {
	s := newStage(t, 15, 17)
	for _, table := range []string{"early", "late"} {
		s.awaitGuard()
		for _, server := range []string{s.active, s.other().Instance} { // whoever publishes goes first
			s.servers[server].Exec("orders", "SET default_transaction_read_only = off; CREATE TABLE "+table+" (id int, what text)")
		}
		s.named(s.obstacles(), switchover.NotReplicating, "ALTER TABLE public."+table+" REPLICA IDENTITY FULL")
		in := s.input()
		in.Scope.GiveIdentities = true
		eventually(t, "no obstacle with spec.replicaIdentity: Auto", func() bool {
			obstacles, err := switchover.Guard(t.Context(), in)
			must(t, err)
			return len(obstacles) == 0
		})
		s.servers[s.active].Exec("orders", "INSERT INTO "+table+" VALUES (1, 'a'), (2, 'b'); UPDATE "+table+" SET what = 'z' WHERE id = 2; DELETE FROM "+table+" WHERE id = 1")
		_, err := switchover.Switch(t.Context(), in)
		must(t, err)
		s.switched(in)
		if got := s.servers[s.active].Query("orders", "SELECT string_agg(id || what, ' ') FROM "+table); got != "2z" {
			t.Errorf("%s on %s: %q", table, s.active, got)
		}
		s.servers[s.active].Exec("orders", "UPDATE "+table+" SET what = 'y'")
	}
}
