package switchover_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/gitover/gitover/test/ledger"
	"github.com/gitover/gitover/test/pg"
)

// ledgerSchema makes the ledger's tables and their first rows, the same on each server.
func (s *stage) ledgerSchema(server *pg.Server, db string) {
	s.t.Helper()
	conn, err := server.Connect(s.t.Context(), db)
	must(s.t, err)
	defer conn.Close(context.Background())
	must(s.t, ledger.InstallFor(s.t.Context(), conn, "app"))
}

// ledgerTraffic is clients that write through all poolers, as a Service spreads them.
type ledgerTraffic struct {
	*ledger.Workload
	t     *testing.T
	s     *stage
	stop  context.CancelFunc
	ended chan error
}

func (s *stage) startLedger() *ledgerTraffic {
	s.t.Helper()
	var next atomic.Int64
	poolers := s.poolers
	w := ledger.New(ledger.Config{Databases: databases, Clients: 8, Rate: 100, Connect: func(ctx context.Context, database string) (*pgx.Conn, error) {
		config, err := pgx.ParseConfig("sslmode=disable connect_timeout=5")
		if err != nil {
			return nil, err
		}
		pooler := poolers[int(next.Add(1))%len(poolers)]
		config.Host, config.Port, config.User, config.Password, config.Database = "127.0.0.1", uint16(pooler.Admin.Port), "app", appPassword, database
		return pgx.ConnectConfig(ctx, config)
	}})
	ctx, cancel := context.WithCancel(context.Background())
	l := &ledgerTraffic{Workload: w, t: s.t, s: s, stop: cancel, ended: make(chan error, 1)}
	go func() { l.ended <- w.Run(ctx) }()
	s.t.Cleanup(cancel)
	return l
}

// balances ends the traffic and compares its ledger with what the active side holds.
func (l *ledgerTraffic) balances() {
	l.t.Helper()
	l.stop()
	must(l.t, <-l.ended)
	states := map[string]ledger.State{}
	for _, db := range databases {
		conn, err := l.s.servers[l.s.active].Connect(l.t.Context(), db)
		must(l.t, err)
		states[db], err = ledger.Read(l.t.Context(), conn)
		must(l.t, err)
		must(l.t, conn.Close(context.Background()))
	}
	report := ledger.Check(l.History(), states, ledger.Options{Switches: -1})
	if !report.OK() || report.Acknowledged == 0 {
		l.t.Errorf("the ledger does not balance: %+v", report)
	}
	l.t.Logf("%v, %d writes acknowledged, %d found", report.Transactions, report.Acknowledged, report.Found)
}
