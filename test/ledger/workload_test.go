package ledger

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/test/pg"
)

var databases = []string{"orders", "billing"}

func TestAServerCrashLosesNothingAndALossIsSeen(t *testing.T) {
	server := pg.Start(t, 15, nil)
	for _, database := range databases {
		server.Exec("", "CREATE DATABASE "+database)
		with(t, server, database, Install)
	}
	workload := New(Config{Databases: databases, Connect: server.Connect, Seed: 7})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- workload.Run(ctx) }()

	awaitTransactions(t, workload, 300)
	server.Kill()
	server.Run()
	before, _, cut := workload.Count()
	awaitTransactions(t, workload, before+300)
	resume := workload.Pause()
	if report := Check(workload.History(), read(t, server), Options{Switches: 0}); !report.OK() {
		t.Errorf("looked at while it pauses: %+v", report)
	}
	resume()
	paused, _, _ := workload.Count()
	awaitTransactions(t, workload, paused+100)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if cut == 0 {
		t.Error("no client noticed that the server was gone")
	}
	report := Check(workload.History(), read(t, server), Options{Switches: 0})
	if !report.OK() || report.Found != report.Acknowledged || report.Acknowledged < 500 {
		t.Fatalf("a crash that PostgreSQL survives: %+v", report)
	}

	server.Exec("orders", `DELETE FROM ledger.entry WHERE id = (SELECT max(id) FROM ledger.entry)`)
	server.Exec("orders", `INSERT INTO ledger.journal SELECT * FROM ledger.journal LIMIT 1`)
	server.Exec("billing", `UPDATE ledger.counter SET n = n - 1 WHERE id = 64`)
	report = Check(workload.History(), read(t, server), Options{Switches: 0})
	if report.Missing == 0 || report.Doubled == 0 || report.Torn == 0 {
		t.Fatalf("harm was done and is not seen: %+v", report)
	}
}

func awaitTransactions(t *testing.T, w *Workload, number int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		n, failed, cut := w.Count()
		if n >= number {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d transactions (%d failed, %d sessions cut) after 30 s, want %d", n, failed, cut, number)
		}
	}
}

func read(t *testing.T, server *pg.Server) map[string]State {
	t.Helper()
	states := map[string]State{}
	for _, database := range databases {
		with(t, server, database, func(ctx context.Context, conn *pgx.Conn) (err error) {
			states[database], err = Read(ctx, conn)
			return err
		})
	}
	return states
}

func with(t *testing.T, server *pg.Server, database string, do func(context.Context, *pgx.Conn) error) {
	t.Helper()
	conn, err := server.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := do(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
}
