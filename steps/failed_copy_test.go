package steps

import (
	"fmt"
	"testing"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/pg"
)

// TestATableWhoseRowsAreNotTakenIsNamed: versions read different values, and checks may have come not to hold. Below 15
// PostgreSQL counts no failures.
func TestATableWhoseRowsAreNotTakenIsNamed(t *testing.T) {
	for _, versions := range [][2]int{{18, 13}, {13, 18}} {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPairFilled(t, versions[0], versions[1], pg.Logical, func(p *pair) {
				p.both("CREATE TABLE narrow (id int PRIMARY KEY); CREATE TABLE fine (id int PRIMARY KEY)")
				p.blue.Exec("d", "INSERT INTO narrow VALUES (-1); INSERT INTO fine VALUES (1)")
				p.green.Exec("d", "ALTER TABLE narrow ADD CHECK (id > 0)")
			})
			p.says(CopyData, v1alpha1.ReasonReplicationBroken, "public.narrow", "PostgreSQL's log on "+p.green.Instance)
			p.arrives("SELECT count(*) FROM fine", "1")
			p.green.Exec("d", "ALTER TABLE narrow DROP CONSTRAINT narrow_id_check")
			p.done(CopyData)
		})
	}
}
