package steps

import (
	"fmt"
	"testing"

	"github.com/gitover/gitover/test/pg"
)

// lazy keeps what commits don't wait for in memory for as long as PostgreSQL can.
var lazy = pg.Settings{"wal_level": "logical", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB", "wal_buffers": "16MB"}

// A worker drops its slot on blue once it has committed that its table is done. Were that
// commit lost, no worker could finish the table any more.
func TestACopyGoesOnAfterACrashOfTheNewSide(t *testing.T) {
	for _, versions := range [][2]int{{15, 17}, {17, 18}, {18, 13}} {
		t.Run(fmt.Sprintf("%d to %d", versions[0], versions[1]), func(t *testing.T) {
			p := newPairWith(t, versions[0], versions[1], lazy)
			for i := range 20 {
				p.both(fmt.Sprintf("CREATE TABLE t%d (id int PRIMARY KEY)", i))
				p.blue.Exec("d", fmt.Sprintf("INSERT INTO t%d SELECT generate_series(1, 1000)", i))
			}
			p.copies("a table is ready", "SELECT bool_or(srsubstate = 'r') FROM pg_subscription_rel")
			apply := p.stopApplying()
			p.copies("rows are there that still have to catch up", "SELECT bool_or(srsubstate = 'f' OR srsubstate = 'd' AND current_setting('server_version_num')::int < 140000) FROM pg_subscription_rel")
			p.green.Exec("d", "CREATE TABLE public.flush (); DROP TABLE public.flush")
			lost := "pg_" + p.green.Query("d", "SELECT oid || '_sync_1_' || system_identifier FROM pg_subscription, pg_control_system()")
			theirs := "pg_1_sync_1_" + p.green.Query("d", "SELECT system_identifier FROM pg_control_system()")
			for _, slot := range []string{lost, theirs} {
				p.blue.Exec("d", "SELECT pg_create_logical_replication_slot('"+slot+"', 'pgoutput')")
			}
			const slots = "SELECT coalesce(string_agg(slot_name, ' '), '') FROM pg_replication_slots WHERE slot_name ~ '_sync_'"
			before := p.blue.Query("d", slots)
			apply()
			p.until(CopyData, "copies", func(Verdict) bool { return p.blue.Query("d", slots) != before })
			p.green.Kill()
			p.green.Run()

			p.done(CopyData)
			p.done(CatchUp)
			for i := range 20 {
				p.arrives(fmt.Sprintf("SELECT count(*) FROM t%d", i), "1000")
			}
			p.arrives("SELECT count(*) FROM first", "1")
			if got := p.blue.Query("d", slots); got != theirs {
				t.Errorf("slots of table synchronisation on the old side: %q, want that of another subscription alone", got)
			}
			if got := p.green.Query("d", "SELECT subsynccommit FROM pg_subscription"); got != "off" {
				t.Errorf("each commit of the followed changes waits for the disk (%s)", got)
			}
		})
	}
}

// copies goes on with the copy until a query on green says true.
func (p *pair) copies(what, query string) {
	p.t.Helper()
	p.until(CopyData, what, func(Verdict) bool { return p.green.Query("d", query) == "t" })
}

// stopApplying keeps the main worker on green waiting, and with it the workers that copied a
// table, until its result is called.
func (p *pair) stopApplying() (goOn func()) {
	p.t.Helper()
	conn, err := p.green.Connect(p.t.Context(), "d")
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := conn.Exec(p.t.Context(), "BEGIN READ WRITE; LOCK TABLE public.first IN SHARE MODE"); err != nil {
		p.t.Fatal(err)
	}
	p.blue.Exec("d", "INSERT INTO first VALUES (1)")
	p.until(CopyData, "waits", func(Verdict) bool {
		return p.green.Query("d", "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'public.first'::regclass AND NOT granted") == "t"
	})
	return func() {
		p.t.Helper()
		if err := conn.Close(p.t.Context()); err != nil {
			p.t.Error(err)
		}
	}
}
