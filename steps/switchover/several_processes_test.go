package switchover_test

import (
	"testing"

	"github.com/gitover/gitover/steps/switchover"
	"github.com/gitover/gitover/test/pg"
)

// TestAPoolerOfSeveralProcessesIsNotHeldInPart: with so_reuseport a second process may listen on the same port,
// and its clients would meet the fence.
func TestAPoolerOfSeveralProcessesIsNotHeldInPart(t *testing.T) {
	s := newStage(t, 15, 17)
	s.poolerSettings = pg.Settings{"so_reuseport": "1"}
	s.poolers = append(s.poolers, s.newPooler("several"))
	s.named(s.obstacles(), switchover.PoolerShared, "several", "so_reuseport")
	s.oneSideOpen()
	s.poolers = s.poolers[:len(s.poolers)-1]
	s.move()
}
