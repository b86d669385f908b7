package steps

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gitover/gitover/api/v1alpha1"
	"github.com/gitover/gitover/steps/postgres"
	"github.com/gitover/gitover/test/pg"
)

// lazy keeps what commits don't wait for in memory for as long as PostgreSQL can.
var lazy = pg.Settings{"wal_level": "logical", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB", "wal_buffers": "16MB"}

const (
	syncSlots = "SELECT coalesce(string_agg(slot_name, ' ' ORDER BY slot_name), '') FROM pg_replication_slots WHERE slot_name ~ '_sync_'"
	copied    = "SELECT coalesce(string_agg(srrelid::regclass::text, ' '), '') FROM pg_subscription_rel WHERE srsubstate = 'f'"
)

// copyHalf of twenty tables: the workers of two have copied their rows, and can't catch up until
// the result is called.
func copyHalf(t *testing.T, from, to int) (p *pair, goOn func()) {
	t.Helper()
	p = newPairWith(t, from, to, lazy)
	for i := range 20 {
		p.both(fmt.Sprintf("CREATE TABLE t%d (id int PRIMARY KEY)", i))
		p.blue.Exec("d", fmt.Sprintf("INSERT INTO t%d SELECT generate_series(1, %d)", i, rowsOf(i)))
	}
	copyOn := p.lock("t10, t11")
	p.copies("both workers wait", "SELECT count(*) = 2 FROM pg_locks WHERE relation IN ('t10'::regclass, 't11'::regclass) AND NOT granted")
	// the main worker alone starts others
	goOn = p.lock("first")
	p.blue.Exec("d", "INSERT INTO first VALUES (1)")
	p.copies("the main worker waits", "SELECT count(*) = 1 FROM pg_locks WHERE relation = 'first'::regclass AND NOT granted")
	copyOn()
	if to > 13 { // which copies and catches up in one transaction
		p.copies("rows are there that still have to catch up", "SELECT count(*) = 2 FROM pg_subscription_rel WHERE srsubstate = 'f'")
	}
	return p, goOn
}

// rowsOf a table. The main worker, too, wants the lock of one whose changes it comes across.
func rowsOf(table int) int {
	if table == 10 || table == 11 {
		return 0
	}
	return 1000
}

// ends the copy, and looks at what is there and what is left.
func (p *pair) ends() {
	p.t.Helper()
	p.done(CopyData)
	p.done(CatchUp)
	for i := range 20 {
		p.arrives(fmt.Sprintf("SELECT count(*) FROM t%d", i), fmt.Sprint(rowsOf(i)))
	}
	p.arrives("SELECT count(*) FROM first", "1")
	if got := p.blue.Query("d", syncSlots); got != "" {
		p.t.Errorf("slots of the copy keep WAL on the old side: %s", got)
	}
	if got := p.green.Query("d", "SELECT subsynccommit FROM pg_subscription"); got != "off" {
		p.t.Errorf("each commit of the followed changes waits for the disk (%s)", got)
	}
}

// A worker drops its slot on blue when it is done with its table. Were the commit that says so not on the
// disk soon, most crashes of a copy would leave a table that no worker can finish.
func TestACopyGoesOnAfterACrashOfTheNewSide(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{15, 17}, [2]int{17, 18}, [2]int{postgres.Latest, postgres.Oldest}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p, goOn := copyHalf(t, versions[0], versions[1])
			p.green.Exec("d", "CREATE TABLE flush (); DROP TABLE flush") // what came before
			// no worker is in the few milliseconds between its two effects when the crash comes: that is another story's
			var others []string
			for i := range 20 {
				if i != 10 && i != 11 {
					others = append(others, fmt.Sprintf("t%d", i))
				}
			}
			p.lock(strings.Join(others, ", "))
			goOn()
			p.copies("two workers have finished", "SELECT count(*) = 2 FROM pg_subscription_rel WHERE srrelid IN ('t10'::regclass, 't11'::regclass) AND srsubstate IN ('s', 'r')")
			p.green.Kill()
			p.green.Run()
			p.until(CopyData, "done", func(v Verdict) bool {
				if strings.Contains(v.Message, "copied again") {
					t.Fatal(v.Message)
				}
				return v.Done
			})
			p.ends()
		})
	}
}

// The crash came between the two: the slot is gone, and the commit never was.
func TestADatabaseIsCopiedAnewWhenAWorkerCannotGoOn(t *testing.T) {
	for _, seenBy := range pg.Every(2, 0, []string{CopyData, CatchUp}) {
		t.Run(seenBy, func(t *testing.T) {
			p, goOn := copyHalf(t, 15, 17)
			p.green.Exec("d", "CREATE TABLE flush (); DROP TABLE flush")
			table := strings.Fields(p.green.Query("d", copied))[0]
			slot := p.green.Query("d", "SELECT 'pg_' || oid || '_sync_' || '"+table+"'::regclass::oid || '_' || system_identifier FROM pg_subscription, pg_control_system()")
			p.green.Kill()
			goOn()
			p.blue.Exec("d", "SELECT pg_drop_replication_slot('"+slot+"')")
			p.green.Run()
			v := p.until(seenBy, "copies again", func(v Verdict) bool { return strings.Contains(v.Message, "copied again") })
			if !strings.Contains(v.Message, table) || !v.RunNeeded && v.ReturnTo != CopyData {
				t.Errorf("%+v", v)
			}
			p.blue.Exec("d", "DELETE FROM t0 WHERE id = 7; INSERT INTO t0 VALUES (1001)")
			p.ends()
			p.arrives("SELECT count(*) FROM t0 WHERE id IN (7, 1001)", "1")
		})
	}
}

// PostgreSQL refuses to drop a table on green that it has still to copy.
func TestATableThatIsDroppedBeforeItWasCopiedIsForgotten(t *testing.T) {
	for _, versions := range pg.Pairs([2]int{15, 17}, [2]int{postgres.Latest, postgres.Oldest}) {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p, goOn := copyHalf(t, versions[0], versions[1])
			p.blue.Exec("d", "CREATE TABLE last (id int); DROP TABLE last") // nothing of it was ever followed
			table := p.green.Query("d", "SELECT srrelid::regclass::text FROM pg_subscription_rel WHERE srsubstate = 'i' LIMIT 1")
			p.blue.Exec("d", "DROP TABLE "+table)
			goOn()
			p.done(CopyData)
			p.says(CatchUp, v1alpha1.ReasonSchemaDrift, "table public."+table+" is there in addition", "DROP TABLE public."+table)
			p.green.Exec("d", "SET default_transaction_read_only = off; DROP TABLE "+table)
			p.done(CatchUp)
			p.both("CREATE TABLE " + table + " (id int PRIMARY KEY)")
			p.blue.Exec("d", "INSERT INTO "+table+" SELECT generate_series(1, 1000)")
			p.ends()
		})
	}
}

// copies goes on with the copy until a query on green says true.
func (p *pair) copies(what, query string) {
	p.t.Helper()
	p.until(CopyData, what, func(Verdict) bool { return p.green.Query("d", query) == "t" })
}

// lock tables on green against whoever writes to them, until the result is called or green dies.
func (p *pair) lock(tables string) (unlock func()) {
	p.t.Helper()
	conn, err := p.green.Connect(p.t.Context(), "d")
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := conn.Exec(p.t.Context(), "BEGIN READ WRITE; LOCK TABLE "+tables+" IN SHARE MODE"); err != nil {
		p.t.Fatal(err)
	}
	return func() { _ = conn.Close(p.t.Context()) }
}
