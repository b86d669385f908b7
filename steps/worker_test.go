package steps

import (
	"fmt"
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/test/pg"
)

// PostgreSQL sends what a table held that is gone by now, and the other side stops at it.
func TestATableThatCameAndWentOnBlueAloneIsNamedAndMended(t *testing.T) {
	for _, versions := range [][2]int{{15, 17}, {18, 13}} {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPairWith(t, versions[0], versions[1], pg.Settings{"wal_level": "logical", "logging_collector": "on", "log_directory": "log"})
			p.done(CopyData)
			p.done(Approve)
			p.blue.Exec("d", "CREATE TABLE staging AS SELECT 1 AS id; INSERT INTO staging VALUES (2); DROP TABLE staging")
			p.blue.Exec("d", "INSERT INTO first VALUES (1)")
			begun := time.Now()
			p.says(CatchUp, v1alpha1.ReasonReplicationBroken, `database "d"`, p.green.Instance+` says: logical replication target relation "public.staging" does not exist`, "make it on "+p.green.Instance)
			t.Logf("named after %s", time.Since(begun))
			p.says(Approve, v1alpha1.ReasonReplicationBroken, "public.staging")
			p.says(Verify, v1alpha1.ReasonReplicationBroken, "public.staging")
			p.green.Exec("d", "CREATE TABLE staging (id int)")
			p.arrives("SELECT count(*) FROM first", "1")
			p.green.Exec("d", "DROP TABLE staging")
			p.done(Approve)
		})
	}
}

func TestAStoppedWorkerIsToldOfWithoutALogFile(t *testing.T) {
	p := newPair(t, 15, 17)
	p.done(CopyData)
	p.done(Approve)
	p.blue.Exec("d", "CREATE TABLE staging AS SELECT 1 AS id; DROP TABLE staging")
	p.says(CatchUp, v1alpha1.ReasonReplicationBroken, "PostgreSQL's log on "+p.green.Instance+" says why", "If a relation doesn't exist")
}
