package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/gitover/gitover/test/e2e/testenv"
	"github.com/gitover/gitover/test/pg"
)

// mostRefusals of a client that connects again every 20 ms while connections are refused for a second.
const mostRefusals = 50

// Through proxies that can't hold sessions these are closed once by each switch; behind a plain Service new ones are refused
// for a moment. No row is lost.
func TestADatabaseBehindAnotherProxyIsUpgradedAndRolledBack(t *testing.T) {
	for _, proxy := range pg.Every(3, 0, []string{"service", "haproxy", "nginx"}) {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			behind(t, proxy)
		})
	}
}

func behind(t *testing.T, proxy string) {
	s := begin(t, testenv.AppOptions{Namespace: "behind-" + proxy, Over: filepath.Join(stage.Checkout, "examples", proxy)})
	s.merge("17")
	s.awaitSoak("orders-17")
	s.thereAndBack("orders-15", "orders-17")
	const clients, switches = 4, 3
	report, err := s.traffic.Prove(t.Context(), "orders-17", switches)
	s.must(err)
	if !report.OK() || report.Acknowledged == 0 {
		t.Errorf("the ledger does not balance: %+v", report)
	}
	transactions, failed, cut := s.traffic.Count()
	t.Logf("%s: %d transactions, %d failed, %d sessions cut or refused; %d writes acknowledged, %d found, %d missing", proxy, transactions, failed, cut, report.Acknowledged, report.Found, report.Missing)
	if closed := clients * switches; failed > 2*closed || cut > closed*mostRefusals {
		t.Errorf("clients were refused for longer than a second: %d failed, %d cut", failed, cut)
	}
	for _, record := range s.proxy().Status.Switches {
		t.Logf("%s → %s: %s, held %v, parts %v", record.From, record.To, record.Outcome, time.Duration(record.HeldMicroseconds)*time.Microsecond, record.Parts)
	}
}
