package steps

import (
	"fmt"
	"testing"
	"time"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// Staging tables, CREATE TABLE … AS, a repacking tool's: they never were green's matter.
func TestATableThatComesAndGoesOnBlueAloneStopsNothing(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{15, 17}, [2]int{postgres.Latest, postgres.Oldest}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPair(t, versions[0], versions[1])
			p.done(CopyData)
			p.done(Approve)
			p.blue.Exec("d", "CREATE TABLE staging AS SELECT 1 AS id; INSERT INTO staging VALUES (2)")
			p.blue.Exec("d", "UPDATE staging SET id = 3; DELETE FROM staging; INSERT INTO first VALUES (1)")
			p.arrives("SELECT count(*) FROM first", "1")
			p.says(CatchUp, v1alpha1.ReasonSchemaDrift, "public.staging isn't on "+p.green.Instance)
			p.blue.Exec("d", "DROP TABLE staging; INSERT INTO first VALUES (2)")
			p.arrives("SELECT count(*) FROM first", "2")
			p.done(Approve)
		})
	}
}

// An application's UPDATE of a published table without a key fails, so such a table isn't published, and is named.
func TestATableWithoutAKeyThatIsMadeLaterWorksAndIsNamed(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{15, 17}, [2]int{postgres.Latest, postgres.Oldest}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPair(t, versions[0], versions[1])
			p.done(CopyData)
			p.done(Approve)
			p.both("CREATE TABLE bare (id int)")
			p.blue.Exec("d", "INSERT INTO bare VALUES (1), (2); UPDATE bare SET id = id + 1; DELETE FROM bare WHERE id = 2")
			p.says(CatchUp, v1alpha1.ReasonReplicationBroken, "public.bare has no replica identity", "ALTER TABLE public.bare REPLICA IDENTITY FULL")
			p.blue.Exec("d", "UPDATE bare SET id = 4")
			p.both("ALTER TABLE bare REPLICA IDENTITY FULL")
			p.done(CatchUp)
			p.blue.Exec("d", "UPDATE bare SET id = 5")
			p.arrives("SELECT string_agg(id::text, ' ') FROM bare", "5")
		})
	}
}

// The old rows are still on green, and nothing is sent of the new table.
func TestATableThatWasDroppedAndMadeAnewOnBlueIsNamed(t *testing.T) {
	p := newPair(t, 15, 17)
	p.blue.Exec("d", "INSERT INTO first VALUES (1)")
	p.done(CopyData)
	p.done(Approve)
	p.blue.Exec("d", "DROP TABLE first; CREATE TABLE first (id int PRIMARY KEY); INSERT INTO first VALUES (2)")
	p.says(CatchUp, v1alpha1.ReasonReplicationBroken, "public.first was dropped and recreated", "drop and recreate it on "+p.green.Instance)
	p.green.Exec("d", "DROP TABLE first; CREATE TABLE first (id int PRIMARY KEY)")
	p.done(CatchUp)
	p.arrives("SELECT string_agg(id::text, ' ') FROM first", "2")
}

// A row that somebody wrote on green stops the worker, in PostgreSQL's words where it writes them to a file.
func TestAStoppedWorkerIsToldOf(t *testing.T) {
	for logged, words := range map[string]string{"on": "duplicate key value violates unique constraint", "off": "PostgreSQL's log on test-17 says why"} {
		t.Run("logging_collector "+logged, func(t *testing.T) {
			p := newPairWith(t, 15, 17, pg.Settings{"wal_level": "logical", "logging_collector": logged, "log_directory": "log"})
			p.done(CopyData)
			p.done(Approve)
			p.green.Exec("d", "INSERT INTO first VALUES (1)")
			p.blue.Exec("d", "INSERT INTO first VALUES (1)")
			begun := time.Now()
			p.says(CatchUp, v1alpha1.ReasonReplicationBroken, `database "d"`, words)
			t.Logf("named after %s", time.Since(begun))
			p.says(Approve, v1alpha1.ReasonReplicationBroken, words)
			p.says(Verify, v1alpha1.ReasonReplicationBroken, words)
			p.green.Exec("d", "DELETE FROM first")
			p.done(Approve)
			p.arrives("SELECT count(*) FROM first", "1")
		})
	}
}
